# GAR-1B as its authors released it (Section 3.2; GAR-1B in Tables 1 to 7): Table 9, row 4, on PerceptionLM-1B.
# Mask prompts joined to one, RoI-aligned feature replay, 5 prompts, the mask in three equal channels.
# GAR-2.5M, AdamW 1e-5 with cosine decay, global batch 64 (8 ranks x 8 accumulated; theirs were 32 x 2).
# Trained right: to repeat the release's scaling of boxes, --cfg-options model.release_compat.double_scaled_roi=True
_base_ = "_base_/families/plm_1b.py"
model = dict(
    llm=dict(num_prompts=5),
    prompt_encoder=dict(type="MaskPrompt", mode="union", in_planes=3),
    region_extractor=dict(type="RoIAlignReplay", output_size=16),
)
