# Parts that never met: OpenAI's CLIP ViT-L/14 from timm (24 layers x 1024, tiles of 336 px, 144 cells each) with
# SmolLM2-1.7B-Instruct (a Llama, 24 layers x 2048) behind a new MLP connector, which has random weights.
# Needs two downloads, both looked for in gartk's cache and on the hub:
#   timm/vit_large_patch14_clip_336.openai (model.safetensors) and HuggingFaceTB/SmolLM2-1.7B-Instruct;
# and training of the connector before anything else (freeze vision and llm, then free them).
# 16 tiles and a thumbnail are 2,448 tokens of the 8,192 that the language model reads.
model = dict(
    type="RegionVLM",
    vision=dict(
        type="TimmViT",
        model="vit_large_patch14_clip_quickgelu_336.openai",
        pretrained_file="timm/vit_large_patch14_clip_336.openai/model.safetensors",
        max_num_tiles=16,
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
