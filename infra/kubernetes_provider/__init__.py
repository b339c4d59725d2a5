"""A stand-in for the Kubernetes plugin of Pulumi, used where the official one cannot be installed.

It answers to the same resource tokens, provider settings and annotations, and keeps the same state, so that a stack
can change from one to the other. Objects are written by server-side apply
(https://kubernetes.io/docs/reference/using-api/server-side-apply/). Helm, Kustomize and the YAML components need the
official plugin, and say so.

    tokens     resource tokens to apiVersion and kind
    values     property values of the engine's protocol to plain Python and back
    naming     names for objects that were given none
    changes    which inputs differ, and which differences need a new object
    cluster    requests to one API server
    expected   what a preview can know of the result
    drift      what the cluster holds at the places that the inputs name
    readiness  when an object counts as ready, and what keeps it from it
    waiting    for readiness, for the end of an object
    provider   the operations: check, diff, create, read, update, delete
    plugin     the gRPC service and the process
"""
