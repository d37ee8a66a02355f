# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
# ---

# %% [markdown]
# # 10. Call the HTTP API
#
# `photomend serve` does over HTTP what the command line does on files. A picture goes in, a *job*
# comes out, which can be watched, waited for, cancelled, and which survives a crash of the server.
# It needs nothing but a client of HTTP; here it is `httpx`.

# %%
import atexit
import base64
import io
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from figures import pictures
from IPython.display import Markdown
from PIL import Image
from skimage import data

from operators import Blur, Gaussian, Seeds, kernels, simulate
from restore.images import read
from restore.metrics import psnr

# %% tags=["parameters"]
SIDE = 256
PARAMS = {"kernel": "motion:17,30", "noise": 0.01, "camera": "none"}  # what deblur is told

# %% [markdown]
# ## A server
#
# It is a process of its own, on this machine alone. (For others, `--host`, and then it wants API
# keys.) `readyz` says when the network is loaded.

# %%
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
folder = Path(tempfile.mkdtemp())
server = subprocess.Popen(
    [sys.executable, "-m", "restore.cli", "serve", "--port", str(port), "--store", folder / "jobs"],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    cwd=Path.cwd().parent if Path.cwd().name == "demos" else None,
)
atexit.register(server.terminate)  # should a cell fail
client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False)


def ready() -> bool:
    """Whether the server takes jobs; False also while it does not answer yet."""
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


patience = time.monotonic() + 120
while not ready() and server.poll() is None and time.monotonic() < patience:
    time.sleep(0.2)
assert ready()
client.get("/readyz").json()

# %% [markdown]
# ## What it can do
#
# `/v1/tasks` describes every option as JSON Schema, the same that draws the command line's help.
# Errors are problem details (RFC 9457) which name the field.

# %%
lines = ["| task | options |", "|---|---|"]
for task in client.get("/v1/tasks").json()["tasks"]:
    names = ", ".join(f"`{name}`" for name in task["schema"]["properties"])
    lines.append(f"| {task['name']} | {names} |")
Markdown("\n".join(lines))

# %% [markdown]
# ## A job
#
# The photo is uploaded as a form, the options are JSON. The answer comes at once: 202, and where
# the job is to be found. First a mistake, to see what the server says of it.

# %%
margin = len(kernels.motion(17, 30)) // 2
scene = read(data.rocket()).pixels[:, :, 60 : 60 + SIDE, 200 : 200 + SIDE]
taken = simulate(Blur(kernels.motion(17, 30), "valid"), Gaussian(0.01), scene, Seeds(0)).y.clamp(
    0, 1
)
truth = scene[:, :, margin:-margin, margin:-margin]
upload = io.BytesIO()
pixels = (255 * taken[0].permute(1, 2, 0)).round().byte().numpy()
Image.fromarray(pixels).save(upload, format="png")


def ask(**params: object) -> httpx.Response:
    """Ask for the photo to be deblurred."""
    files = {"image": ("rocket.png", upload.getvalue())}
    return client.post(
        "/v1/jobs", files=files, data={"task": "deblur", "params": json.dumps(params)}
    )


refused = ask(kernel="motion:17,30", noise=-1)
assert refused.status_code == 422
errors = [f"`{error['field']}` {error['detail']}" for error in refused.json()["errors"]]
accepted = ask(**PARAMS)
assert accepted.status_code == 202
job = accepted.json()
Markdown(
    f"A noise of -1: status {refused.status_code}, {'; '.join(errors)}.\n\n"
    f"Asked rightly: status {accepted.status_code}, state {job['state']}."
)

# %% [markdown]
# ## Watching
#
# `/events` is a stream of server-sent events: progress, previews as small JPEGs, and the end. A
# browser reads it with `EventSource`; if the connection breaks, it goes on after the last event
# that was heard.

# %%
kinds, previews, kind = [], [], ""
with client.stream("GET", job["links"]["events"]) as stream:
    for line in stream.iter_lines():
        if line.startswith("event:"):
            kind = line.removeprefix("event:").strip()
            kinds.append(kind)
        elif line.startswith("data:") and kind == "preview":
            told = json.loads(line.removeprefix("data:"))
            previews.append(base64.b64decode(told["image"].partition(",")[2]))
assert kinds[-1] == "succeeded"

# %% [markdown]
# ## The result
#
# `/result` gives the picture in the format that is asked for, or the report. It is, byte for byte,
# the picture that the command line writes.

# %%
result = client.get(job["links"]["result"], headers={"Accept": "image/png"})
report = client.get(job["links"]["result"], headers={"Accept": "application/json"}).json()
restored = read(result.content).pixels
before, after = psnr(taken, truth).item(), psnr(restored, truth).item()
assert after > before
shown = [previews[place * len(previews) // 2] for place in range(2)] if len(previews) > 1 else []
pictures(
    [(f"sent, {before:.1f} dB", taken)]
    + [("a preview", read(preview).pixels) for preview in shown]
    + [(f"received, {after:.1f} dB", restored)],
    "Sent, seen underway, and received. The report that belongs to it says of the certificate: "
    f"{report['certificate']['verdict'][0]}.",
    zoom=(SIDE // 3, SIDE // 4, SIDE // 4),
)

# %% [markdown]
# `Prefer: wait=60` makes the first answer wait for the end, for scripts that want no stream:
#
#     curl -s -H 'Prefer: wait=60' -F task=deblur -F image=@my.jpg \
#       -F 'params={"kernel": "motion:17,32", "noise": 0.01}' localhost:8000/v1/jobs
#
# ## Changing one's mind
#
# `DELETE` cancels a job within one step of the solver.

# %%
unwanted = ask(**PARAMS, samples=8).json()
client.delete(unwanted["links"]["self"])
ended = client.get(unwanted["links"]["self"], headers={"Prefer": "wait=60"}).json()
assert ended["state"] == "canceled"
ended["state"]

# %% [markdown]
# Stopped as any service is, the server finishes what it is at, and what waits is done when it is
# started again.

# %%
server.send_signal(signal.SIGTERM)
assert server.wait(60) == 0
client.close()
