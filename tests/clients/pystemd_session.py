"""A session of python3-pystemd (libsystemd's sd-bus below): units as objects, signals by a match."""
import time

import pystemd.run
from pystemd.dbuslib import DBus
from pystemd.systemd1 import Manager, Unit

SECONDS = 20
removed, changed = {}, []

with DBus() as bus, Manager(bus=bus) as manager:
    def on_removed(message, error=None, userdata=None):
        message.process_reply(True)
        _, path, unit, result = message.body
        removed[path] = (unit, result)

    def on_changed(message, error=None, userdata=None):
        message.process_reply(True)
        changed.append(message.body)

    def wait(job):
        end = time.monotonic() + SECONDS
        while job not in removed:
            assert time.monotonic() < end, "no JobRemoved in time"
            if not bus.process():
                bus.wait(1_000_000)
        return removed[job]

    bus.match_signal(b"org.freedesktop.systemd1", b"/org/freedesktop/systemd1",
                     b"org.freedesktop.systemd1.Manager", b"JobRemoved", on_removed, None)
    work = Unit(b"work.service", bus=bus)
    work.load()
    bus.match_signal(b"org.freedesktop.systemd1", work.path,
                     b"org.freedesktop.DBus.Properties", b"PropertiesChanged", on_changed, None)
    manager.Manager.Subscribe()

    names = [row[0] for row in manager.Manager.ListUnits()]
    assert b"keep.target" in names, names
    assert wait(work.Unit.Start(b"replace")) == (b"work.service", b"done")
    assert work.Unit.ActiveState == b"active"
    first = work.Service.MainPID
    assert first > 0
    processes = work.Service.GetProcesses()
    assert [pid for _, pid, _ in processes] == [first], processes
    assert any(body[1].get(b"ActiveState") == b"active" for body in changed), changed
    assert wait(work.Unit.Restart(b"replace"))[1] == b"done"
    assert work.Service.MainPID not in (0, first)
    assert work.Service.ExecStart[0][0] == b"/bin/sleep"
    fails = Unit(b"fails.service", bus=bus, _autoload=True)
    assert wait(fails.Unit.Start(b"replace")) == (b"fails.service", b"failed")
    assert fails.Service.Result == b"exit-code"
    assert wait(manager.Manager.StopUnit(b"work.service", b"replace"))[1] == b"done"
    assert work.Unit.ActiveState == b"inactive"

made = pystemd.run(["/bin/sleep", "1000"], name="made.service", env={"A": "1"}, extra={"Nice": 5})
assert made.Service.MainPID > 0 and made.Service.Nice == 5
assert b"A=1" in made.Service.Environment
made.Unit.Stop(b"replace")
assert pystemd.run(["/bin/true"], name="waited.service", wait=True, remain_after_exit=True).Service.Result == b"success"
print("session complete")
