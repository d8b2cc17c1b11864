"""Commands on jobs: what is asked of one is done, in the background too; listed, cancelled,
forgotten, watched.
"""
