"""Commands on jobs: options are resolved, a job is started in the background, listed, collected,
cancelled, forgotten.
"""
