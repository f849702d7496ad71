"""tools/qemu/run: what it makes of its words, on which tools and people build."""

import pathlib

import pytest

from tests.conftest import script
from tools.qemu import machine

HERE = str(pathlib.Path(__file__))


@pytest.fixture(name="run", scope="module")
def fixture_run():
    return script("tools/qemu/run")


def test_what_is_qemus_goes_there(run):
    """Wherever options stand, and options of its own name too."""
    for before in ([HERE, "--network"], ["--network", HERE], [HERE]):
        options, qemu = run.parse([*before, "--", "-device", "x", "--network", "--", "y"])
        assert qemu == ["-device", "x", "--network", "--", "y"]
        assert str(options.image) == HERE and options.network == ("--network" in before)
    assert run.parse([HERE])[1] == [] and run.parse([HERE, "--"])[1] == []


def test_ports_are_forwarded(run):
    options, _ = run.parse([HERE, "--forward", "2222:22", "--forward", "65535:10.0.2.20:1"])
    assert run.devices(options) == [
        "-netdev", "user,id=net0,hostfwd=tcp:127.0.0.1:2222-:22,"
        "hostfwd=tcp:127.0.0.1:65535-10.0.2.20:1", "-device", "virtio-net-pci,netdev=net0"]
    assert run.devices(run.parse([HERE])[0]) == []
    assert "serial=test_run" in run.devices(run.parse([HERE, "--disk", HERE])[0])[3]


@pytest.mark.parametrize("words, said", (
    (["--forward", "22"], "neither HOSTPORT:PORT nor"),
    (["--forward", "0:22"], "'0' is no port"),
    (["--forward", "22:65536"], "'65536' is no port"),
    (["--forward", "22:web:22"], "'web' is no IPv4 address"),
    (["--disk", "/none"], "there is no file /none"),
))
def test_what_is_refused(run, capsys, words, said):
    with pytest.raises(SystemExit):
        run.parse([HERE, *words])
    assert said in capsys.readouterr().err


def test_a_reset_resets_where_a_person_sits():
    assert "-no-reboot" in machine.command("x", "y")
    assert "-no-reboot" not in machine.command("x", "y", resets=True)
