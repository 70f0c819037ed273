# Qwen2.5-VL-3B: vision tower, patch merger and language model from one Hugging Face checkpoint.
# `pretrained` is a hub id or a local folder; each part may be replaced on its own.
# One tile near the image's own size, of 1,024 to 4,096 cells of 28x28 pixels: the detail of 16 tiles on PerceptionLM.
model = dict(
    type="RegionVLM",
    vision=dict(
        type="Qwen2_5_VLVision",
        pretrained="Qwen/Qwen2.5-VL-3B-Instruct",
        min_pixels=802816,
        max_pixels=3211264,
    ),
    connector=dict(type="Qwen2_5_VLConnector", pretrained="Qwen/Qwen2.5-VL-3B-Instruct"),
    llm=dict(
        type="Qwen2_5_VLDecoder",
        pretrained="Qwen/Qwen2.5-VL-3B-Instruct",
        position_policy="virtual_image",
        chat=dict(
            start="",
            system="You are a helpful assistant.",
            before=dict(
                system="<|im_start|>system\n", user="<|im_start|>user\n", assistant="<|im_start|>assistant\n"
            ),
            after=dict(system="<|im_end|>\n", user="<|im_end|>\n", assistant="<|im_end|>\n"),
        ),
        image="<|image_pad|>",
        image_wrap=["<|vision_start|>", "<|vision_end|>"],
        region="<|region_pad_{}|>",
        region_wrap=["<|vision_start|>", "<|vision_end|>"],
        num_prompts=16,
    ),
)
