"""tools/mkguest: what it refuses before it begins, and what it writes into a tree. That a whole
guest made by it comes up is test_debian's, which is long."""

import argparse
import os
import pathlib
import subprocess

import pytest

from tests.conftest import ROOT, script

MKGUEST = ROOT / "tools/mkguest"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ" + "0" * 42 + " me@here"


@pytest.fixture(name="mkguest", scope="module")
def fixture_mkguest():
    return script("tools/mkguest")


def write_key(tmp_path, text=KEY):
    file = tmp_path / "key.pub"
    file.write_text(f"{text}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize("words, said", (
    (["Web", "image:x"], "'Web' is no name"),
    (["web", "iso:x"], "'iso:x' is no target"),
    (["web", "image:x", "--size", "1023MiB"], "is no size from 1 GiB on"),
    (["web", "image:x", "--hostname", "web-"], "is no host name"),
    (["web", "image:x", "--include", "nginx,-x"], "'-x' is no name of a package"),
    (["web", "image:x", "--address", "192.0.2.7"], "neither dhcp nor an address with"),
    (["web", "image:x", "--address", "192.0.2.0/24"], "is the address of the network"),
    (["web", "image:x", "--address", "192.0.2.255/24"], "is the address of the network"),
    (["web", "image:x", "--address", "dhcp", "--address", "192.0.2.7/24"], "dhcp stands alone"),
    (["web", "image:x", "--gateway", "192.0.2.1"], "--gateway goes with --address"),
    (["web", "image:x", "--address", "192.0.2.7/24", "--gateway", "192.0.3.1"],
     "--gateway 192.0.3.1 is in no network"),
    (["web", "image:x", "--address", "192.0.2.7/24", "--gateway", "192.0.2.7"],
     "is the guest's own"),
    (["web", "image:x", "--dns", "ns.example"], "'ns.example' is no address"),
    (["web", "image:x", "--timezone", "Europe/Atlantis"], "is no time zone"),
    (["web", "image:x", "--timezone", "../etc/passwd"], "is no time zone"),
    (["web", "image:x", "--user", "root"], "is no name for a user"),
    (["web", "image:x", "--user", "1st"], "is no name for a user"),
    (["web", "image:x", "--password", ""], "--password is empty"),
    (["web", "image:x", "--ssh-key", "/none"],
     "/none: No such file or directory; `ssh-keygen -t ed25519` makes a key"),
    (["web", "image:x", "--tree", "/", "--user", "me"], "--user has no meaning beside --tree"),
    (["web", "image:x", "--tree", "/none"], "--tree /none is no folder"),
))
def test_what_is_refused(words, said):
    """Also by who is not root, and before anything is fetched or overwritten."""
    done = subprocess.run([MKGUEST, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.startswith("mkguest: ")
    assert len(done.stderr.splitlines()) == 1, "no screen of options before what is wrong"


@pytest.mark.parametrize("target, said", (
    ("lv:sda", "lv:sda is no volume; write lv:VG/LV"),
    ("lv:/dev/sda", "lv:/dev/sda is no volume"),
    ("lv:vg0/", "lv:vg0/ is no volume"),
    ("lv:vg0/a/b", "lv:vg0/a/b is no volume"),
    ("lv:block/8:0", "lv:block/8:0 is no volume"),
    ("image:/dev/null", "/dev/null is there and is no file"),
    ("image:/", "/ is there and is no file"),
))
def test_targets_that_are_refused(mkguest, capsys, target, said):
    """The parser alone: the tool itself would overwrite a target that it did not refuse."""
    with pytest.raises(SystemExit):
        mkguest.parse(["web", target])
    assert said in capsys.readouterr().err


def test_keys(mkguest, tmp_path):
    assert mkguest.ssh_keys(str(write_key(tmp_path, f"# mine\n{KEY}\n"))) == [KEY]
    for text in ("", "hello", f"{KEY}\nhello"):
        with pytest.raises(argparse.ArgumentTypeError, match="no public keys"):
            mkguest.ssh_keys(str(write_key(tmp_path, text)))
    private = "-----BEGIN OPENSSH PRIVATE KEY-----"
    with pytest.raises(argparse.ArgumentTypeError, match=r"is a private key; .*key.pub.pub"):
        mkguest.ssh_keys(str(write_key(tmp_path, private)))


def test_the_last_that_are_taken(mkguest):
    options = mkguest.parse(["web", "image:x", "--address", "192.0.2.254/24", "--address",
                             "2001:db8::7/64", "--gateway", "192.0.2.1", "--gateway", "fe80::1",
                             "--dns", "192.0.2.1", "--hostname", "web.example", "--user", "me"])
    assert mkguest.network_file(options) == (
        "[Match]\nType=ether\nName=en* eth*\n\n[Network]\nAddress=192.0.2.254/24\n"
        "Address=2001:db8::7/64\nGateway=192.0.2.1\nGateway=fe80::1\nDNS=192.0.2.1\n")
    assert "127.0.1.1 web.example web\n" in mkguest.hosts_file(options.hostname)
    assert mkguest.parse(["a" * 31, "image:x", "--size", "1024MiB"]).size == 1 << 30
    assert mkguest.network_file(mkguest.parse(["web", "image:x", "--address", "dhcp"])).endswith(
        "[Network]\nDHCP=yes\n")
    assert mkguest.parse(["web", "image:x"]).boot_files is None
    assert mkguest.parse(["web", "dir:x"]).boot_files == pathlib.Path("web-boot")


def test_a_device_that_is_no_volume(mkguest, monkeypatch):
    """lvm2 is asked of one that is there, and makes one that is not."""
    called = []
    monkeypatch.setattr(mkguest, "call", lambda *words: called.append(words))
    options = mkguest.parse(["web", "lv:vg0/web"])
    assert mkguest.make_volume("vg0/web", options) == pathlib.Path("/dev/vg0/web")
    monkeypatch.setattr(pathlib.Path, "exists", lambda _: True)
    mkguest.make_volume("md/0", options)
    assert called[0][0] == "lvcreate" and called[0][-1] == "vg0"
    assert called[1:] == [("lvs", "md/0")]


def test_a_disk_is_no_partition(mkguest, monkeypatch, tmp_path):
    """blkid is asked before anything is bootstrapped, and before the file system is made."""
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(mkguest, "not_mounted", lambda _: None)
    made = []
    for name in ("bootstrap", "configure", "make_file_system"):
        monkeypatch.setattr(mkguest, name, lambda *_, name=name: made.append(name))
    options = mkguest.parse(["web", "part:/dev/x"])
    monkeypatch.setattr(mkguest, "parse", lambda: options)
    for answer in (mkguest.Failure("blkid failed:\n"), "\n"):
        def call(*words, answer=answer, **_):
            assert words[0] == "blkid"
            if isinstance(answer, str):
                return answer
            raise answer
        monkeypatch.setattr(mkguest, "call", call)
        with pytest.raises(mkguest.Failure, match="/dev/x has no PARTUUID"):
            mkguest.main()
        with pytest.raises(mkguest.Failure, match="/dev/x has no PARTUUID"):
            mkguest.store(tmp_path, options, "1-2")
    assert not made
    monkeypatch.setattr(mkguest, "call", lambda *_: "4-5\n")
    assert mkguest.store(tmp_path, options, "1-2") == "part:4-5"
    assert made == ["make_file_system"]


@pytest.fixture(name="tree")
def fixture_tree(tmp_path, mkguest, monkeypatch):
    """A tree in which commands are only noted."""
    tree = tmp_path / "tree"
    for folder in ("root", "home/me", "usr/share/zoneinfo/Europe", "etc"):
        (tree / folder).mkdir(parents=True)
    (tree / "usr/share/zoneinfo/Europe/Berlin").touch()
    (tree / "usr/share/zoneinfo/Etc").mkdir()
    (tree / "usr/share/zoneinfo/Etc/UTC").touch()
    (tree / "etc/resolv.conf").touch()
    calls = []
    monkeypatch.setattr(mkguest, "call", lambda *words, **_: calls.append(words[2:]))
    monkeypatch.setattr(os, "chown", lambda *_: None)
    return tree, calls


def test_a_user_with_keys(mkguest, tree, tmp_path):
    root, calls = tree
    options = mkguest.parse(["web", "image:x", "--user", "me", "--ssh-key",
                             str(write_key(tmp_path)), "--timezone", "Europe/Berlin",
                             "--autologin"])
    mkguest.configure(root, options, "1-2")
    keys = root / "home/me/.ssh/authorized_keys"
    assert keys.read_text(encoding="utf-8") == f"{KEY}\n"
    assert keys.stat().st_mode & 0o777 == 0o600 and keys.parent.stat().st_mode & 0o777 == 0o700
    assert not (root / "root/.ssh").exists()
    assert any(words[0] == "useradd" and words[-1] == "me" for words in calls)
    assert "NOPASSWD" in (root / "etc/sudoers.d/user").read_text(encoding="utf-8")
    assert os.readlink(root / "etc/localtime") == "/usr/share/zoneinfo/Europe/Berlin"
    assert "--autologin me " in (root / "etc/systemd/system/serial-getty@ttyS0.service.d"
                                 / "autologin.conf").read_text(encoding="utf-8")
    assert "UUID=1-2 / ext4 " in (root / "etc/fstab").read_text(encoding="utf-8")
    assert "\nRuntimeWatchdogSec=2min\n" in (
        root / "etc/systemd/system.conf.d/watchdog.conf").read_text(encoding="utf-8")


def test_keys_of_root_and_no_user(mkguest, tree, tmp_path):
    root, calls = tree
    mkguest.configure(root, mkguest.parse(["web", "image:x", "--ssh-key",
                                           str(write_key(tmp_path))]), "1-2")
    assert (root / "root/.ssh/authorized_keys").is_file()
    assert not (root / "etc/sudoers.d").exists()
    assert not any(words[0] == "useradd" for words in calls)


def test_what_is_to_be_written_down(mkguest, capsys):
    mkguest.show(mkguest.parse(["web", "image:x/web.img"]), "esp:/disks/web.img", "1-2")
    said = capsys.readouterr().out
    assert "    boot: {disk: 0}\n" in said
    assert "image write esp:/disks/web.img lvm:vg0/web" in said
    assert '--disk x/web.img` makes it a disk whose source is "disk:web"' in said
    mkguest.show(mkguest.parse(["web", "part:/dev/x", "--boot-files", "f"]), "part:4-5", "1-2")
    said = capsys.readouterr().out
    assert 'cmdline: "console=ttyS0 root=UUID=1-2 rw"' in said and "f/vmlinuz" in said
