import transformers

from vidprep import ClipLoader, ViewLoader
from vidprep.adapters.huggingface import PIXEL_VALUES, LoaderTrainerMixin, model_inputs


class VideoTrainer(LoaderTrainerMixin, transformers.Trainer):
    pass


form = {"output": PIXEL_VALUES, "transform": model_inputs}
trainer = VideoTrainer(
    MODEL,
    ARGUMENTS,
    train_dataset=ClipLoader(SHARDS, clip=CLIP, batch_size=4, **form),
    eval_dataset=ViewLoader(SHARDS, views=VIEWS, videos_per_batch=4, **form),
)
trainer.train(resume_from_checkpoint=RESUME)
