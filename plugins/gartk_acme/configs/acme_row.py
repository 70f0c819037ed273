# The tiny base with a prompt encoder, a connector, an extractor and data of gartk-acme.
_base_ = [
    "../../../configs/_base_/models/tiny.py",
    "../../../configs/_base_/schedules/tiny.py",
    "../../../configs/_base_/runtime.py",
]
model = dict(
    prompt_encoder=dict(type="acme.SharePrompt"),
    connector=dict(_delete_=True, type="acme.BottleneckConnector"),
    region_extractor=dict(type="acme.BoxMean"),
)
train_data = dict(dataset=dict(type="acme.ColourDataset"), batch_size=8, num_workers=0)
