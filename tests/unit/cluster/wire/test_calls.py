import pytest
from ray.exceptions import ActorUnavailableError, GetTimeoutError, RaySystemError, RayTaskError

from hermes_ray.cluster.wire.calls import typed_errors
from hermes_ray.errors import ClusterError, HermesError, Overloaded, WorkerUnavailable


def raised_in_an_actor(error: Exception) -> Exception:
    """The error as Ray hands it to the caller."""
    return RayTaskError("ask", "the remote traceback", error).as_instanceof_cause()


def test_an_actors_own_error_comes_out_as_it_was_raised():
    with pytest.raises(Overloaded) as caught, typed_errors("memory-0"):
        raise raised_in_an_actor(Overloaded("full", retry_after_s=3.0))
    assert type(caught.value) is Overloaded
    assert caught.value.retry_after_s == 3.0


def test_an_unexpected_error_in_an_actor_is_internal_and_names_the_actor():
    with pytest.raises(HermesError, match="memory-0 failed: KeyError") as caught, typed_errors("memory-0"):
        raise raised_in_an_actor(KeyError("x"))
    assert caught.value.code == "internal"


@pytest.mark.parametrize("error", [ActorUnavailableError("gone", None), GetTimeoutError(), TimeoutError()])
def test_an_actor_that_does_not_answer_is_unavailable_with_a_time_to_retry(error):
    with pytest.raises(WorkerUnavailable) as caught, typed_errors("memory-0"):
        raise error
    assert caught.value.retry_after_s > 0


def test_trouble_of_ray_itself_is_a_cluster_error():
    with pytest.raises(ClusterError), typed_errors("memory-0"):
        raise RaySystemError("no GCS")
