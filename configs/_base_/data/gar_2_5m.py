# The paper's training data: seed (1.5M), fine-grained (456K) and relation (414K) records.
# Folders written by datasets.save_to_disk below GARTK_DATA/gar_2_5m.
train_data = dict(
    dataset=dict(
        type="ConversationDataset",
        paths=[
            "${GARTK_DATA:data}/gar_2_5m/Seed-Dataset",
            "${GARTK_DATA:data}/gar_2_5m/Fine-Grained-Dataset",
            "${GARTK_DATA:data}/gar_2_5m/Relation-Dataset",
        ],
    ),
    batch_size=1,
    num_workers=4,
)
