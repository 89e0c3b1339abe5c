"""A session of python3-dasbus (GDBus): proxies made from introspection data, signals as attributes."""
from dasbus.connection import SystemMessageBus
from dasbus.error import DBusError
from dasbus.loop import EventLoop
from gi.repository import GLib

SYSTEMD = "org.freedesktop.systemd1"
SECONDS = 20

bus = SystemMessageBus()
loop = EventLoop()
manager = bus.get_proxy(SYSTEMD, "/org/freedesktop/systemd1")
removed, changed = {}, []


def on_removed(number, path, unit, result):
    removed[path] = (unit, result)
    loop.quit()


def wait(job):
    late = GLib.timeout_add_seconds(SECONDS, loop.quit)
    while job not in removed:
        loop.run()
        assert job in removed or GLib.main_context_default().find_source_by_id(late), "no JobRemoved in time"
    GLib.source_remove(late)
    return removed[job]


def unit(name):
    return bus.get_proxy(SYSTEMD, manager.LoadUnit(name))


manager.JobRemoved.connect(on_removed)
manager.Subscribe()
names = [row[0] for row in manager.ListUnits()]
assert "keep.target" in names, names
work = unit("work.service")
work.PropertiesChanged.connect(lambda interface, values, invalidated: changed.append((interface, values)))
assert wait(manager.StartUnit("work.service", "replace")) == ("work.service", "done")
assert work.ActiveState == "active" and work.Type == "simple"
first = work.MainPID
assert first > 0 and work.ExecStart[0][0] == "/bin/sleep"
states = [values["ActiveState"].unpack() for _, values in changed if "ActiveState" in values]
assert states and states[-1] == "active", changed
assert {interface for interface, _ in changed} == {SYSTEMD + ".Service", SYSTEMD + ".Unit"}
assert wait(work.Restart("replace"))[1] == "done"
assert work.MainPID not in (0, first)
assert wait(manager.StartUnit("fails.service", "replace")) == ("fails.service", "failed")
assert unit("fails.service").Result == "exit-code"
assert wait(manager.StopUnit("work.service", "replace"))[1] == "done"
assert work.ActiveState == "inactive"
try:
    manager.StartUnit("none.service", "replace")
except DBusError as refusal:
    assert "not found" in str(refusal), refusal
else:
    raise AssertionError("a unit that is not there was started")
assert manager.SystemState == "degraded" and manager.NFailedUnits == 1
manager.ResetFailed()
assert manager.SystemState == "running"
print("session complete")
