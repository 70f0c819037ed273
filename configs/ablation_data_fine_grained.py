# Table 11, row 2: the seed data and the fine-grained data (1.96M samples, one pass).
_base_ = [
    "_base_/models/plm_1b.py",
    "_base_/data/gar_2_5m.py",
    "_base_/schedules/one_pass_2_4m.py",
    "_base_/runtime_8_ranks.py",
]
model = dict(
    prompt_encoder=dict(type="MaskPrompt"),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
train_data = dict(
    dataset=dict(
        paths=["${GARTK_DATA:data}/gar_2_5m/Seed-Dataset", "${GARTK_DATA:data}/gar_2_5m/Fine-Grained-Dataset"]
    )
)
schedule = dict(max_iters=30600)
