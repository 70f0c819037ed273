# Table 9, row 4 on a base of our own: a plain timm tower with a Llama that never met it. Trains the new connector and the prompts
# first; then train everything from that checkpoint with freeze=[].
_base_ = ["_base_/models/timm_vit_llama.py", "_base_/families/gar_2_5m.py"]
model = dict(prompt_encoder=dict(type="MaskPrompt"), region_extractor=dict(type="RoIAlignReplay", output_size=16))
optim = dict(lr=1e-3)
freeze = ["vision", "llm"]
schedule = dict(max_iters=1000)
