# Qwen2.5-VL-3B's vision tower (images at their own size) with SmolLM2-1.7B-Instruct (a Llama, 24 layers x 2048)
# behind a new MLP connector, which has random weights: train the connector before anything else (freeze vision
# and llm, then free them). At most 2,048 cells an image, as the language model reads 8,192 tokens.
model = dict(
    type="RegionVLM",
    vision=dict(
        type="Qwen2_5_VLVision",
        pretrained="Qwen/Qwen2.5-VL-3B-Instruct",
        min_pixels=802816,
        max_pixels=1605632,
    ),
    connector=dict(type="MLPConnector", pool=2),
    llm=dict(
        type="CausalLM",
        pretrained="HuggingFaceTB/SmolLM2-1.7B-Instruct",
        chat=dict(
            start="",
            before=dict(
                system="<|im_start|>system\n",
                user="<|im_start|>user\n",
                assistant="<|im_start|>assistant\n",
            ),
            after=dict(system="<|im_end|>\n", user="<|im_end|>\n", assistant="<|im_end|>\n"),
        ),
        image="<|image|>",
        region="<|region_pad_{}|>",
        num_prompts=16,
    ),
)
