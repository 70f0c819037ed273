# Base "tiny", size M: PerceptionLM's own classes at toy size, random weights (1.5M parameters).
# One tile of 224 px with 16x16 patches; prompt_encoder and region_extractor are left to the leaf.
model = dict(
    type='RegionVLM',
    vision=dict(
        type='PerceptionLMVision',
        architecture='vit_pe_lang_large_patch14_448',
        model_args=dict(
            embed_dim=96, depth=3, num_heads=3, img_size=[224, 224], ref_feat_shape=[16, 16],
            init_values=1.0, global_pool=''),
        positions='sincos',
        max_num_tiles=1,
        thumbnail='tiled'),
    connector=dict(type='PerceptionLMConnector', pool=2),
    llm=dict(
        type='CausalLM',
        tokenizer='tiny',
        config=dict(
            model_type='llama',
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=6,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=2048,
            tie_word_embeddings=True),
        chat=dict(
            start='<|begin_of_text|>',
            before=dict(system='', user='<|start_header_id|>', assistant='<|end_header_id|>'),
            after=dict(system='<|eot_id|>', user='', assistant='<|eot_id|>')),
        num_prompts=16),
    # Each region's tokens are followed by its name, once: a decoder of a few layers learns that binding.
    template=dict(
        intro='', mention='', after_mentions='', block_head='', block_tail='{prompt}\n', before_question=''))
