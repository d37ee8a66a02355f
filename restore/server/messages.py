"""What the server says when it refuses: of each code the status and the words, with places for
values. Other languages are catalogues of the page, under `problem.CODE`.
"""

MESSAGES: dict[str, tuple[int, str]] = {
    # who asks
    "host": (400, "{host} is not the name of this server; ask for localhost or 127.0.0.1"),
    "origin": (403, "pages of other servers may not ask; open the page of this one"),
    "key": (401, "an API key is needed: Authorization: Bearer KEY"),
    "no_such": (404, "there is nothing at this address; /openapi.json lists what there is"),
    "method": (405, "this address does not take {method}; Allow names what it takes"),
    "refused": (400, "{why}"),
    "unexpected": (500, "an error of the server; its log says more"),
    "starting": (503, "the server is starting; ask again in {seconds} seconds"),
    # the form
    "content_type": (415, "a job is multipart/form-data, not {got}; curl -F sends it"),
    "slow": (408, "the request took more than {seconds} seconds; send a smaller file"),
    "form": (400, "the form cannot be read: {why}; curl -F writes one that can"),
    "too_large": (413, "the request is larger than the {most:g} MiB allowed; send a smaller file"),
    "parts": (422, "the form's parts are not those of a job"),
    "part_unknown": (422, "there is no such part; a job has {known}"),
    "part_twice": (422, "is there twice; send it once"),
    "part_text": (422, "must be a file, with a file name"),
    "part_missing": (422, "is missing; a job has a task and an image"),
    "task": (422, "must be one of {known}"),
    "part_not_taken": (422, "{task} takes no {part}; leave it out"),
    "mask_missing": (422, "is missing: a picture of the photo's size, white = fill"),
    "kernel_twice": (422, "given twice, as a file and in params; leave one out"),
    # the files
    "no_picture": (415, "{why}"),
    "pixels": (
        413,
        "{width} x {height} pixels are more than the {most} allowed for this task; send a smaller "
        "picture",
    ),
    "mask_size": (
        422,
        "has {width} x {height} pixels, the photo {photo_width} x {photo_height}; draw it at that "
        "size",
    ),
    "kernel_size": (413, "more than {most} pixels a side; cut its dark border off"),
    "kernel_kind": (415, "a {got}; give a PNG or .npy"),
    # the parameters
    "params": (422, "params: not as the task's schema says"),
    "request": (422, "the request is not as documented"),
    "json": (422, "must be JSON, an object ({why})"),
    "missing": (422, "is missing: {what}"),
    "unknown": (422, "there is no such option; did you mean {near}?"),
    "operators_own": (422, "is for whoever runs the server to decide; leave it out"),
    "upload_instead": (422, "is a file: send it as a part of the form"),
    "no_text": (422, "the prior {prior} reads no text; leave it out, or choose {readers}"),
    "no_text_at_all": (
        422,
        "no prior of this server reads text; leave it out, or start the server with one that does: "
        "photomend serve --prior PRIOR, such as Stable Diffusion",
    ),
    "at_least": (422, "must be at least {least}"),
    "at_most": (422, "must be at most {most}"),
    "too_long": (422, "must have at most {most} characters"),
    "choice": (422, "must be {known}"),
    "words": (422, "is not understood; write {words}"),
    "integer": (422, "must be a whole number"),
    "number": (422, "must be a number"),
    "switch": (422, "must be true or false"),
    "text": (422, "must be a text"),
    "wrong": (422, "{why}"),
    "solver_unnamed": (422, "name the solver whose options these are"),
    "solver_options": (422, "params.options: not the solver's"),
    "solver_unknown": (422, "{solver} has no such option; it has {known}"),
    # the store
    "queue_full": (429, "{count} jobs wait or run already; ask again in {seconds} seconds"),
    "disk_full": (507, "no room for more results; they expire, or delete some"),
    "key_used": (409, "this key was used for another request; take a new one"),
    # how a job ends
    "took_long": (
        504,
        "the job took more time than this server allows; fewer steps or samples, or a smaller "
        "picture, take less",
    ),
    "no_memory": (507, "{why}"),
    "worker_died": (
        500,
        "this job ended its worker {count} times; a smaller picture or tile needs less memory",
    ),
    "photo": (422, "{why}"),
    "not_blurred": (422, "{why}"),
    "unknowable": (422, "{why}"),
    "cannot": (422, "{why}"),
    "diverged": (500, "{why}"),
    "prior": (500, "{why}"),
    "failed": (500, "{why}"),
    # what is asked of a job
    "no_job": (404, "no such job; it may have expired"),
    "no_file": (404, "the job has no {name}; its report lists its files"),
    "no_upload": (404, "the job was sent without a {name}"),
    "expired": (410, "the result has expired, and the photo with it; send the job again"),
    "waiting": (409, "the job is {state}; ask again when it has ended"),
    "no_result": (409, "the job is {state}; there is no result, send it again"),
    "not_offered": (406, "there is {known}; Accept takes none of them"),
    "not_encoded": (406, "{why}"),
}
