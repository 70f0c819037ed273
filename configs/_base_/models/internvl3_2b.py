# InternVL3-2B: vision tower, projector and language model from one Hugging Face checkpoint (the one in the
# layout of transformers, "-hf"). `pretrained` is a hub id or a local folder; each part may be replaced on its own.
# At most 16 tiles and a thumbnail, as the paper's other bases have; InternVL's own processor stops at 12.
# No system message: the chat template of the "-hf" checkpoints has none.
model = dict(
    type="RegionVLM",
    vision=dict(type="InternVLVision", pretrained="OpenGVLab/InternVL3-2B-hf", max_num_tiles=16),
    connector=dict(type="InternVLConnector", pretrained="OpenGVLab/InternVL3-2B-hf", pool=2),
    llm=dict(
        type="CausalLM",
        pretrained="OpenGVLab/InternVL3-2B-hf",
        chat=dict(
            start="",
            before=dict(
                system="<|im_start|>system\n",
                user="<|im_start|>user\n",
                assistant="<|im_start|>assistant\n",
            ),
            after=dict(system="<|im_end|>\n", user="<|im_end|>\n", assistant="<|im_end|>\n"),
        ),
        image="<IMG_CONTEXT>",
        image_wrap=("<img>", "</img>\n"),
        region="<|region_pad_{}|>",
        region_wrap=("<img>", "</img>"),
        num_prompts=16,
    ),
)
