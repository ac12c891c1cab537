import lightning
from lightning.pytorch.callbacks import ModelCheckpoint

from vidprep.adapters.lightning import ShardDataModule

data = ShardDataModule(SHARDS, clip=CLIP, views=VIEWS, batch_size=4)
each_step = ModelCheckpoint(OUT, filename="{step}", every_n_train_steps=1, save_top_k=-1)
trainer = lightning.Trainer(max_epochs=3, callbacks=[each_step], logger=False, enable_progress_bar=False)
trainer.fit(MODEL, data, ckpt_path=RESUME)
