"""Loads the installed AWS CLI once and forks for every command.

A connection brings the files 0, 1, 2, the length of a JSON text, and the text:
arguments, environment, folder. It is answered by one byte, the exit code. The
process ends when its standard input does.
"""

import array
import json
import os
import select
import signal
import socket
import sys
import traceback

import awscli.clidriver
import botocore.client
import botocore.httpsession
import botocore.session


def run(args):
    sys.argv = ["aws", *args]
    try:
        return awscli.clidriver.main()
    except SystemExit as e:
        return e.code if isinstance(e.code, int) else 255


def serve(connection):
    size, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(12))
    files = array.array("i", ancillary[0][2][:12])
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += connection.recv(1 << 20)
    request = json.loads(text)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(request["dir"])
    models = os.environ.get("AWS_DATA_PATH")  # which loading the CLI has set
    os.environ.clear()
    if models:
        os.environ["AWS_DATA_PATH"] = models
    os.environ.update(pair.split("=", 1) for pair in request["env"])
    code = 255
    try:
        code = run(request["args"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        connection.send(bytes([code]))
        os._exit(code)


def main(path):
    # What a command loads, without what a command starts: a process with threads
    # must not fork.
    awscli.clidriver.create_clidriver()
    if len(os.listdir("/proc/self/task")) > 1:
        sys.exit("the CLI has started threads")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve(connection)
        connection.close()


main(sys.argv[1])
