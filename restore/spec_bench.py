"""The declaration of every option of every measurement of `photomend bench`."""

from pydantic import Field

from restore.declared import Counts, Declared, Sigma, Sigmas, Words


class Bench(Declared):
    """Measure, restore and score photos by the papers' protocol."""

    tasks: Words | None = Field(
        None, description="Of gaussian,motion,levin,x4,box,random. Default: all."
    )
    methods: Words | None = Field(
        None,
        description="Classical methods, solvers, module:function, imdn (a published network for "
        "x4), with commas. Default: all classical ones and the default solver.",
    )
    sigma: Sigmas = Field(
        (0.025, 0.05),
        min_length=1,
        description="Standard deviations of the noise, in [0, 1], or as 6.4/255, with commas.",
    )
    limit: int | None = Field(None, ge=1, description="Photos a set. Default: all.")
    size: int = Field(256, ge=4, multiple_of=4, description="Side of the pictures.")
    steps: Counts | None = Field(
        None,
        min_length=1,
        description="Of the solvers, such as 10,20,50: each is run. Default: their own.",
    )
    seed: int = Field(0, ge=0, description="Of the noise.")
    prior: str = Field("embedded", description="As of the other commands.")
    peers: str | None = Field(
        None, description="Folder of published networks' weights. Default: peers beside eval."
    )
    lpips_weights: str | None = Field(
        None, description="File of LPIPS weights. Default: downloaded, or left out without network."
    )


class BenchPrior(Declared):
    """Measure a prior on its own: autoencoder, denoising, samples, cost."""

    prior: str = Field("embedded", description="As of the other commands.")
    limit: int | None = Field(None, ge=1, description="Photos a set. Default: all.")
    peers: str | None = Field(
        None,
        description="Folder of the weights of BF-CNN and DnCNN, to compare with. "
        "Default: peers beside eval, or left out.",
    )
    lpips_weights: str | None = Field(
        None, description="File of LPIPS weights. Default: downloaded, or left out without network."
    )


class BenchLatent(Declared):
    """Train a small prior in every kind of latent space for the same time, and compare them."""

    photos: str = Field(description="Folder of photos to train on, none of those to measure on.")
    configurations: Words | None = Field(
        None, description="Like none-f4c16, kl-f4c16, vq-f4c3, with commas. Default: eleven."
    )
    minutes: float = Field(3.0, gt=0, description="Processor time of each of the two stages.")
    limit: int | None = Field(2, ge=1, description="Photos a set.")
    lpips_weights: str | None = Field(
        None, description="File of LPIPS weights. Default: downloaded, or left out without network."
    )


class BenchPeers(Declared):
    """Time operators and solvers beside those of deepinv, which has to be installed."""

    sizes: Counts = Field((256, 512, 1024), min_length=1, description="Sides of the pictures.")
    batches: Counts = Field((1, 8), min_length=1, description="Pictures at once.")
    steps: int = Field(10, ge=3, description="Evaluations of the network by each solver.")
    prior: str = Field("embedded", description="As of the other commands.")


class BenchBlind(Declared):
    """Measure how often the blur of a photo is found, and what a restoration with it loses."""

    limit: int | None = Field(5, ge=1, description="Photos a set.")
    seed: int = Field(0, ge=0, description="Of kernels and noise.")
    prior: str = Field(
        "embedded", description="That refines free kernels; as of the other commands, or none."
    )


class BenchLight(Declared):
    """Measure how often it is told rightly whether light was blurred or coded values."""

    limit: int | None = Field(1, ge=1, description="Photos a set.")
    seed: int = Field(0, ge=0, description="Of the noise.")


class BenchCompression(Declared):
    """Measure how often pixels tell of a JPEG compression, and what that gains."""

    limit: int | None = Field(4, ge=1, description="Photos a set; the first is deblurred.")
    seed: int = Field(0, ge=0, description="Of the noise.")


class BenchCertificate(Declared):
    """Measure how often the verdict accepts right kernels, and finds out wrong ones."""

    limit: int | None = Field(4, ge=1, description="Photos a set.")
    seed: int = Field(0, ge=0, description="Of the noise.")


class BenchEnlarged(Declared):
    """Measure how often pixels tell that they were enlarged, and what that gains."""

    limit: int | None = Field(4, ge=1, description="Photos a set; the first is restored.")


class BenchChanged(Declared):
    """Measure blur of denoised photos and of frames of videos."""

    limit: int | None = Field(4, ge=1, description="Photos.")
    seed: int = Field(0, ge=0, description="Of the noise.")


class BenchShake(Declared):
    """Measure blur that varies over the photo: of a camera that turned while it was shaken."""

    limit: int | None = Field(None, ge=1, description="Photos. Default: all.")
    seed: int = Field(0, ge=0, description="Of paths and noise.")
    prior: str = Field("embedded", description="That refines and restores.")


class BenchInterval(Declared):
    """Measure how often the truth lies in the intervals that several draws give."""

    tasks: Words | None = Field(
        None, description="Of gaussian,motion,levin,x4,box,random. Default: all."
    )
    solver: str = Field("pnpdm", description="What draws: a name or module:function.")
    samples: int = Field(8, ge=2, description="Draws a photograph and task.")
    sigma: Sigma = Field(0.025, gt=0, description="Standard deviation of the noise, in [0, 1].")
    fit: str = Field("imagenet10", description="The set that the factors are fitted on.")
    limit: int | None = Field(4, ge=1, description="Photos a set.")
    size: int = Field(128, ge=4, multiple_of=4, description="Side of the pictures.")
    prior: str = Field("embedded", description="As of the other commands.")


class BenchNoise(Declared):
    """Measure how near the noise estimated from a photo is to that which was added."""

    limit: int | None = Field(20, ge=1, description="Photos a set.")
    seed: int = Field(0, ge=0, description="Of the noise.")


class BenchLarge(Declared):
    """Measure memory, time and seams of pictures from 16 x 16 pixels to many megapixels."""

    steps: int = Field(2, ge=1, description="Of the solver.")
    megapixels: float = Field(12.0, gt=0, description="Sizes of more are left out.")
    prior: str = Field("embedded", description="As of the other commands.")


class BenchCamera(Declared):
    """Measure what the camera's chain (linear light, saturation, JPEG) is worth in deblurring, and
    what is gained on JPEGs that are only compressed."""

    limit: int | None = Field(2, ge=1, description="Photos a set.")
    sigma: Sigma = Field(
        0.01, gt=0, description="Standard deviation of the noise, in [0, 1], or as 6.4/255."
    )
    seed: int = Field(0, ge=0, description="Of the noise.")
    lpips_weights: str | None = Field(
        None, description="File of LPIPS weights. Default: downloaded, or left out without network."
    )


class BenchPosterior(Declared):
    """Measure what the spread of a solver's draws is worth, against posteriors in closed form."""

    solvers: Words | None = Field(
        None, description="Names or module:function, with commas. Default: all."
    )
    draws: int = Field(4000, ge=100, description="Of every posterior.")
    seed: int = Field(0, ge=0, description="Of the draws.")


class BenchServe(Declared):
    """Put the HTTP service under load, and kill it at random: are jobs lost, doubled or late?"""

    clients: int = Field(100, ge=1, description="That ask at the same time.")
    jobs: int = Field(20, ge=1, description="Of each client.")
    kills: int = Field(50, ge=0, description="Of the worker or the server, while clients ask.")
    seed: int = Field(0, ge=0, description="Of what is killed, and when.")


class BenchStrengths(Declared):
    """Measure what one default strength for all tasks costs against tuning each by hand."""

    chosen: Words = Field(
        ["dpir", "diffpir", "daps", "resample", "dps", "pigdm"],
        description="Solvers, with commas.",
    )
    tasks: Words | None = Field(
        None, description="Of gaussian,motion,levin,x4,box,random. Default: all."
    )
    sigma: Sigma = Field(
        0.025, gt=0, description="Standard deviation of the noise, in [0, 1], or as 6.4/255."
    )
    limit: int | None = Field(1, ge=1, description="Photos a set.")
    size: int = Field(128, ge=64, description="Side of the pictures, in pixels.")
    prior: str = Field("embedded", description="As of the other commands.")


class BenchSpeed(Declared):
    """Measure where the time of a step goes, beside the bare calls of its networks."""

    priors: Words = Field(
        ["embedded"], description="As of the other commands; sd15, sdxl: their shapes, untrained."
    )
    solvers: Words = Field(
        ["tradeoff", "dpir", "diffpir", "daps", "dps", "pigdm"], description="With commas."
    )
    operators: Words = Field(["blur", "x4"], description="Of blur,x4,box,random.")
    sizes: Counts = Field((256,), description="Sides of the pictures, with commas.")
    batches: Counts = Field((1,), description="Pictures at once, with commas.")
    dtypes: Words = Field(["float32"], description="Of float32,bfloat16,float16.")
    modes: Words = Field(["eager"], description="Of the networks: of eager,channels-last,compiled.")
    steps: int = Field(5, ge=2, description="That are timed, after the first.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:N or mps.")


class BenchScale(Declared):
    """Measure how busy a folder keeps the device, and what nodes of a Ray cluster are worth."""

    files: int = Field(200, ge=10, description="That are restored.")
    size: int = Field(256, ge=16, description="Side of the pictures.")
    seconds: float = Field(
        0.5, gt=0, description="That the stand-in for the network waits for its device, a photo."
    )
    nodes: Counts | None = Field(
        None, description="Of Ray clusters to start here, such as 1,2. Default: none."
    )
