"""PersonaPlex repositories on the Hugging Face Hub, downloaded at a pinned revision."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from requests.exceptions import RequestException

from workbench.gateway.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from workbench.gateway.files import FILES


def fetch_checkpoint(repo: str, *, revision: str = "main", token: str | None = None, endpoint: str | None = None) -> Checkpoint:
    """Downloads (or finds in the cache, also without a network) `repo` at `revision` and opens it. Shows progress on standard error.

    The revision is resolved to a commit first, so that all files are of one commit. `token`: else `HF_TOKEN` is used.
    Raises CheckpointError, with the page to open when the repository is gated."""
    page = f"{endpoint or 'https://huggingface.co'}/{repo}"
    try:
        info = HfApi(endpoint=endpoint, token=token).model_info(repo, revision=revision)
        commit = info.sha or revision
        folder = snapshot_download(repo, revision=commit, allow_patterns=list(FILES), token=token, endpoint=endpoint)
    except GatedRepoError as error:
        raise CheckpointError(f"{repo} is gated: open {page}, accept its licence, then set HF_TOKEN to a token of that account") from error
    except RevisionNotFoundError as error:
        raise CheckpointError(f"{repo} has no revision {revision}; see {page}/commits/main") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise CheckpointError(f"{repo}: no such repository, or HF_TOKEN may not see it; check the name at {page}") from error
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no answer"
        hint = "HF_TOKEN is not accepted, make a new one" if status in (401, 403) else "try again later"
        raise CheckpointError(f"{repo}: the Hub answered {status}; {hint} (see {page})") from error
    except (LocalEntryNotFoundError, RequestException, OSError) as error:
        if (cached := _cached(repo, revision)) is not None:
            return open_checkpoint(cached, revision=cached.name, source=repo)
        raise CheckpointError(
            f"{repo}: cannot be downloaded ({type(error).__name__}); check the network, or give a folder instead"
        ) from error
    licence = str(info.card_data.get("license", "unknown")) if info.card_data else "unknown"
    return open_checkpoint(Path(folder), revision=commit, licence=licence, source=repo)


def _cached(repo: str, revision: str) -> Path | None:
    """The folder of an earlier download, named by its commit; None when there is none."""
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(FILES), local_files_only=True))
    except LocalEntryNotFoundError:
        return None
