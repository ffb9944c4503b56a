"""Pictures over WebRTC: aiortc, with its own classes where it would cost time.

encoder     a picture is encoded once, in a thread of its own, the newest first
sender      sends packets that were made once for all; hears what the viewer says
receiver    lets a picture go with its last packet
ports       opens sockets in a range that a firewall can be told of
peer        a connection made of these
guard       is the aiortc that is installed the one that these were written against?
"""
