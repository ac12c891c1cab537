import torch
from accelerate import Accelerator

from vidprep import ClipLoader, to_network_input

accelerator = Accelerator()
rank, world_size = accelerator.process_index, accelerator.num_processes
clips = ClipLoader(SHARDS, clip=CLIP, batch_size=4, rank=rank, world_size=world_size)
accelerator.register_for_checkpointing(clips)  # save_state holds its position, load_state goes on there
model, optimiser = accelerator.prepare(MODEL, torch.optim.SGD(MODEL.parameters(), lr=0.01))
if RESUME:
    accelerator.load_state(RESUME)
while clips.epoch < 3:
    for batch in clips:
        batch = batch.to(accelerator.device)
        loss = torch.nn.functional.cross_entropy(model(to_network_input(batch)), batch.label)
        optimiser.zero_grad()
        accelerator.backward(loss)
        optimiser.step()
        accelerator.save_state(f"{OUT}/{clips.epoch}-{clips.step}")
