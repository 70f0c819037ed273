# PerceptionLM-1B: vision tower, projector and language model from one Hugging Face checkpoint.
# `pretrained` is a hub id or a local folder; each part may be replaced on its own.
model = dict(
    type="RegionVLM",
    vision=dict(type="PerceptionLMVision", pretrained="facebook/Perception-LM-1B", max_num_tiles=16),
    connector=dict(type="PerceptionLMConnector", pretrained="facebook/Perception-LM-1B", pool=2),
    llm=dict(
        type="CausalLM",
        pretrained="facebook/Perception-LM-1B",
        chat=dict(
            start="<|begin_of_text|>",
            system=(
                "You are a helpful language and vision assistant. You are able to understand the visual content"
                " that the user provides, and assist the user with a variety of tasks using natural language."
            ),
            before=dict(
                system="<|start_header_id|>system<|end_header_id|>\n\n",
                user="<|start_header_id|>user<|end_header_id|>\n\n",
                assistant="<|start_header_id|>assistant<|end_header_id|>\n\n",
            ),
            after=dict(system="<|eot_id|>", user="<|eot_id|>", assistant="<|eot_id|>"),
        ),
        region="<|reserved_special_token_{}|>",
        region_offset=2,
        num_prompts=16,
    ),
)
