"""The prior, the solvers and the operators inside other people's pipelines."""
