"""The same training steps on PEFT and PyTorch: peer.py [f32|bf16] [steps]."""

import json
import os
import sys
import time

import torch
from peft import LoraConfig, get_peft_model
from transformers import Qwen3Config, Qwen3ForCausalLM

SEQUENCES, LENGTH, VOCABULARY = 4, 128, 8192
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def memory(name):
    """A line of /proc/self/status, in KiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))


precision = sys.argv[1] if len(sys.argv) > 1 else "f32"
steps = int(sys.argv[2]) if len(sys.argv) > 2 else 10
torch.set_num_threads(int(os.environ.get("THREADS", "2")))
torch.manual_seed(1)
model = Qwen3ForCausalLM(
    Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=512,
        intermediate_size=1536,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=64,
        rope_theta=1e6,
        tie_word_embeddings=True,
        use_cache=False,
    )
)
if precision == "bf16":
    model = model.to(torch.bfloat16)
loaded = memory("VmRSS")
model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=PROJECTIONS))
model.train()
optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-3)
ids = torch.randint(0, VOCABULARY, (SEQUENCES, LENGTH))
seconds = []
for _ in range(steps):
    begin = time.perf_counter()
    optimiser.zero_grad()
    model(input_ids=ids, labels=ids).loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    seconds.append(time.perf_counter() - begin)
rate = SEQUENCES * LENGTH / sorted(seconds)[len(seconds) // 2]
extra = (memory("VmHWM") - loaded) // 1024
print(json.dumps({"side": f"PEFT {precision}", "tokens_per_s": round(rate, 1), "extra_mb": extra}))
