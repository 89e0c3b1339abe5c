"""A session of python3-dbus (libdbus): what a program does that manages units with it."""
import dbus
import dbus.mainloop.glib
from gi.repository import GLib

SYSTEMD = "org.freedesktop.systemd1"
PROPERTIES = "org.freedesktop.DBus.Properties"
SECONDS = 20

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
loop = GLib.MainLoop()
manager = dbus.Interface(bus.get_object(SYSTEMD, "/org/freedesktop/systemd1"), SYSTEMD + ".Manager")
removed, changed = {}, []


def on_removed(number, path, unit, result):
    removed[str(path)] = (str(unit), str(result))
    loop.quit()


def on_changed(interface, values, invalidated, path=None):
    changed.append((str(path), str(interface), {str(k): v for k, v in values.items()}))


def wait(job):
    late = GLib.timeout_add_seconds(SECONDS, loop.quit)
    while str(job) not in removed:
        loop.run()
        assert str(job) in removed or GLib.main_context_default().find_source_by_id(late), "no JobRemoved in time"
    GLib.source_remove(late)
    return removed[str(job)]


def unit(name):
    found = bus.get_object(SYSTEMD, manager.LoadUnit(name))
    return dbus.Interface(found, PROPERTIES)


def get(name, member, interface=".Unit"):
    return unit(name).Get(SYSTEMD + interface, member)


manager.connect_to_signal("JobRemoved", on_removed)
bus.add_signal_receiver(on_changed, "PropertiesChanged", PROPERTIES, path_keyword="path")
manager.Subscribe()

names = [str(row[0]) for row in manager.ListUnits()]
assert "keep.target" in names, names
assert wait(manager.StartUnit("work.service", "replace")) == ("work.service", "done")
assert get("work.service", "ActiveState") == "active"
first = get("work.service", "MainPID", ".Service")
assert first > 0
states = [values["ActiveState"] for path, interface, values in changed
          if path.endswith("work_2eservice") and "ActiveState" in values]
assert states and states[-1] == "active", changed
assert wait(manager.RestartUnit("work.service", "replace"))[1] == "done"
assert get("work.service", "MainPID", ".Service") not in (0, first)
everything = unit("work.service").GetAll(SYSTEMD + ".Service")
assert everything["Type"] == "simple" and everything["MemoryMax"] == 2**64 - 1
assert str(everything["ExecStart"][0][0]) == "/bin/sleep"
assert wait(manager.StartUnit("fails.service", "replace")) == ("fails.service", "failed")
assert get("fails.service", "Result", ".Service") == "exit-code"
assert wait(manager.StopUnit("work.service", "replace"))[1] == "done"
assert get("work.service", "ActiveState") == "inactive"
try:
    manager.StartUnit("none.service", "replace")
except dbus.DBusException as refusal:
    assert refusal.get_dbus_name() == SYSTEMD + ".NoSuchUnit", refusal
else:
    raise AssertionError("a unit that is not there was started")
manager.SetUnitProperties("work.service", True, [("CPUWeight", dbus.UInt64(50))])
assert get("work.service", "CPUWeight", ".Service") == 50
job = manager.StartTransientUnit("made.service", "fail", [
    ("Description", "Made"),
    ("ExecStart", dbus.Array([("/bin/sleep", ["/bin/sleep", "1000"], False)], signature="(sasb)")),
], dbus.Array([], signature="(sa(sv))"))
assert wait(job) == ("made.service", "done")
assert get("made.service", "Description") == "Made"
assert wait(manager.StopUnit("made.service", "replace"))[1] == "done"
print("session complete")
