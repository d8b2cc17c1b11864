"""What xdist runs in a test process, in the text of this module: the copy's main thread does it."""

if __name__ == "__channelexec__":
    from tests.support.nodes import node

    node.hand_over(globals()["channel"])
