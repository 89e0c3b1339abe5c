//! The methods and signals of org.freedesktop.systemd1 in the order systemd 252 has them, with
//! the names of their arguments; newer methods that clients ask for first at the end.

use super::member::{Method, Signal, change, look, signal};

/// org.freedesktop.systemd1.Manager.
pub(super) const MANAGER: &[Method] = &[
    look("GetUnit", "s", "name", "o", "unit"),
    look("GetUnitByPID", "u", "pid", "o", "unit"),
    look("GetUnitByInvocationID", "ay", "invocation_id", "o", "unit"),
    look("GetUnitByControlGroup", "s", "cgroup", "o", "unit"),
    look("LoadUnit", "s", "name", "o", "unit"),
    change("StartUnit", "ss", "name,mode", "o", "job"),
    change("StartUnitWithFlags", "sst", "name,mode,flags", "o", "job"),
    change(
        "StartUnitReplace",
        "sss",
        "old_unit,new_unit,mode",
        "o",
        "job",
    ),
    change("StopUnit", "ss", "name,mode", "o", "job"),
    change("ReloadUnit", "ss", "name,mode", "o", "job"),
    change("RestartUnit", "ss", "name,mode", "o", "job"),
    change("TryRestartUnit", "ss", "name,mode", "o", "job"),
    change("ReloadOrRestartUnit", "ss", "name,mode", "o", "job"),
    change("ReloadOrTryRestartUnit", "ss", "name,mode", "o", "job"),
    change(
        "EnqueueUnitJob",
        "sss",
        "name,job_type,job_mode",
        "uososa(uosos)",
        "job_id,job_path,unit_id,unit_path,job_type,affected_jobs",
    ),
    change("KillUnit", "ssi", "name,whom,signal", "", ""),
    change("CleanUnit", "sas", "name,mask", "", ""),
    change("FreezeUnit", "s", "name", "", ""),
    change("ThawUnit", "s", "name", "", ""),
    change("ResetFailedUnit", "s", "name", "", ""),
    change(
        "SetUnitProperties",
        "sba(sv)",
        "name,runtime,properties",
        "",
        "",
    ),
    change(
        "BindMountUnit",
        "sssbb",
        "name,source,destination,read_only,mkdir",
        "",
        "",
    )
    .refused("mounts into a running unit are not made here"),
    change(
        "MountImageUnit",
        "sssbba(ss)",
        "name,source,destination,read_only,mkdir,options",
        "",
        "",
    )
    .refused("images are not mounted here"),
    change("RefUnit", "s", "name", "", ""),
    change("UnrefUnit", "s", "name", "", ""),
    change(
        "StartTransientUnit",
        "ssa(sv)a(sa(sv))",
        "name,mode,properties,aux",
        "o",
        "job",
    ),
    look("GetUnitProcesses", "s", "name", "a(sus)", "processes"),
    change(
        "AttachProcessesToUnit",
        "ssau",
        "unit_name,subcgroup,pids",
        "",
        "",
    ),
    change("AbandonScope", "s", "name", "", ""),
    look("GetJob", "u", "id", "o", "job"),
    look("GetJobAfter", "u", "id", "a(usssoo)", "jobs"),
    look("GetJobBefore", "u", "id", "a(usssoo)", "jobs"),
    change("CancelJob", "u", "id", "", ""),
    change("ClearJobs", "", "", "", ""),
    change("ResetFailed", "", "", "", ""),
    change("SetShowStatus", "s", "mode", "", "").refused("there is no console to show a boot on"),
    look("ListUnits", "", "", "a(ssssssouso)", "units"),
    look(
        "ListUnitsFiltered",
        "as",
        "states",
        "a(ssssssouso)",
        "units",
    ),
    look(
        "ListUnitsByPatterns",
        "asas",
        "states,patterns",
        "a(ssssssouso)",
        "units",
    ),
    look("ListUnitsByNames", "as", "names", "a(ssssssouso)", "units"),
    look("ListJobs", "", "", "a(usssoo)", "jobs"),
    look("Subscribe", "", "", "", ""),
    look("Unsubscribe", "", "", "", ""),
    look("Dump", "", "", "s", "output"),
    look("DumpUnitsMatchingPatterns", "as", "patterns", "s", "output"),
    look("DumpByFileDescriptor", "", "", "h", "fd"),
    look(
        "DumpUnitsMatchingPatternsByFileDescriptor",
        "as",
        "patterns",
        "h",
        "fd",
    ),
    change("Reload", "", "", "", ""),
    change("Reexecute", "", "", "", ""),
    change("Exit", "", "", "", ""),
    change("Reboot", "", "", "", "").refused("the machine is not ours"),
    change("PowerOff", "", "", "", "").refused("the machine is not ours"),
    change("Halt", "", "", "", "").refused("the machine is not ours"),
    change("KExec", "", "", "", "").refused("the machine is not ours"),
    change("SwitchRoot", "ss", "new_root,init", "", "").refused("the machine is not ours"),
    change("SetEnvironment", "as", "assignments", "", ""),
    change("UnsetEnvironment", "as", "names", "", ""),
    change(
        "UnsetAndSetEnvironment",
        "asas",
        "names,assignments",
        "",
        "",
    ),
    change("EnqueueMarkedJobs", "", "", "ao", "jobs").refused("units carry no markers"),
    look("ListUnitFiles", "", "", "a(ss)", "unit_files"),
    look(
        "ListUnitFilesByPatterns",
        "asas",
        "states,patterns",
        "a(ss)",
        "unit_files",
    ),
    look("GetUnitFileState", "s", "file", "s", "state"),
    change(
        "EnableUnitFiles",
        "asbb",
        "files,runtime,force",
        "ba(sss)",
        "carries_install_info,changes",
    ),
    change(
        "DisableUnitFiles",
        "asb",
        "files,runtime",
        "a(sss)",
        "changes",
    ),
    change(
        "EnableUnitFilesWithFlags",
        "ast",
        "files,flags",
        "ba(sss)",
        "carries_install_info,changes",
    ),
    change(
        "DisableUnitFilesWithFlags",
        "ast",
        "files,flags",
        "a(sss)",
        "changes",
    ),
    change(
        "ReenableUnitFiles",
        "asbb",
        "files,runtime,force",
        "ba(sss)",
        "carries_install_info,changes",
    ),
    change(
        "LinkUnitFiles",
        "asbb",
        "files,runtime,force",
        "a(sss)",
        "changes",
    ),
    change(
        "PresetUnitFiles",
        "asbb",
        "files,runtime,force",
        "ba(sss)",
        "carries_install_info,changes",
    ),
    change(
        "PresetUnitFilesWithMode",
        "assbb",
        "files,mode,runtime,force",
        "ba(sss)",
        "carries_install_info,changes",
    ),
    change(
        "MaskUnitFiles",
        "asbb",
        "files,runtime,force",
        "a(sss)",
        "changes",
    ),
    change(
        "UnmaskUnitFiles",
        "asb",
        "files,runtime",
        "a(sss)",
        "changes",
    ),
    change("RevertUnitFiles", "as", "files", "a(sss)", "changes"),
    change("SetDefaultTarget", "sb", "name,force", "a(sss)", "changes"),
    look("GetDefaultTarget", "", "", "s", "name"),
    change(
        "PresetAllUnitFiles",
        "sbb",
        "mode,runtime,force",
        "a(sss)",
        "changes",
    ),
    change(
        "AddDependencyUnitFiles",
        "asssbb",
        "files,target,type,runtime,force",
        "a(sss)",
        "changes",
    ),
    look("GetUnitFileLinks", "sb", "name,runtime", "as", "links"),
    change("SetExitCode", "y", "number", "", ""),
    look("LookupDynamicUserByName", "s", "name", "u", "uid"),
    look("LookupDynamicUserByUID", "u", "uid", "s", "name"),
    look("GetDynamicUsers", "", "", "a(us)", "users"),
    change(
        "DisableUnitFilesWithFlagsAndInstallInfo",
        "ast",
        "files,flags",
        "ba(sss)",
        "carries_install_info,changes",
    ),
    look(
        "GetUnitByPIDFD",
        "h",
        "pidfd",
        "osay",
        "unit,unit_id,invocation_id",
    ),
    change("QueueSignalUnit", "ssii", "name,whom,signal,value", "", ""),
    change(
        "EnqueueUnitJobMany",
        "assst",
        "names,job_type,job_mode,flags",
        "a(uosos)",
        "jobs",
    ),
];

/// org.freedesktop.systemd1.Unit.
pub(super) const UNIT: &[Method] = &[
    change("Start", "s", "mode", "o", "job"),
    change("Stop", "s", "mode", "o", "job"),
    change("Reload", "s", "mode", "o", "job"),
    change("Restart", "s", "mode", "o", "job"),
    change("TryRestart", "s", "mode", "o", "job"),
    change("ReloadOrRestart", "s", "mode", "o", "job"),
    change("ReloadOrTryRestart", "s", "mode", "o", "job"),
    change(
        "EnqueueJob",
        "ss",
        "job_type,job_mode",
        "uososa(uosos)",
        "job_id,job_path,unit_id,unit_path,job_type,affected_jobs",
    ),
    change("Kill", "si", "whom,signal", "", ""),
    change("ResetFailed", "", "", "", ""),
    change("SetProperties", "ba(sv)", "runtime,properties", "", ""),
    change("Ref", "", "", "", ""),
    change("Unref", "", "", "", ""),
    change("Clean", "as", "mask", "", ""),
    change("Freeze", "", "", "", ""),
    change("Thaw", "", "", "", ""),
    change("QueueSignal", "sii", "whom,signal,value", "", ""),
];

/// org.freedesktop.systemd1.Service.
pub(super) const SERVICE: &[Method] = &[
    change(
        "BindMount",
        "ssbb",
        "source,destination,read_only,mkdir",
        "",
        "",
    )
    .refused("mounts into a running unit are not made here"),
    change(
        "MountImage",
        "ssbba(ss)",
        "source,destination,read_only,mkdir,options",
        "",
        "",
    )
    .refused("images are not mounted here"),
    look("GetProcesses", "", "", "a(sus)", "processes"),
    change("AttachProcesses", "sau", "subcgroup,pids", "", ""),
];

/// What every unit type with processes has.
pub(super) const GROUP: &[Method] = &[
    look("GetProcesses", "", "", "a(sus)", "processes"),
    change("AttachProcesses", "sau", "subcgroup,pids", "", ""),
];

/// org.freedesktop.systemd1.Scope.
pub(super) const SCOPE: &[Method] = &[
    change("Abandon", "", "", "", ""),
    look("GetProcesses", "", "", "a(sus)", "processes"),
    change("AttachProcesses", "sau", "subcgroup,pids", "", ""),
];

/// org.freedesktop.systemd1.Job.
pub(super) const JOB: &[Method] = &[
    change("Cancel", "", "", "", ""),
    look("GetAfter", "", "", "a(usssoo)", "jobs"),
    look("GetBefore", "", "", "a(usssoo)", "jobs"),
];

/// Signals of org.freedesktop.systemd1.Manager.
pub(super) const MANAGER_SIGNALS: &[Signal] = &[
    signal("UnitNew", "so", "id,unit"),
    signal("UnitRemoved", "so", "id,unit"),
    signal("JobNew", "uos", "id,job,unit"),
    signal("JobRemoved", "uoss", "id,job,unit,result"),
    signal(
        "StartupFinished",
        "tttttt",
        "firmware,loader,kernel,initrd,userspace,total",
    ),
    signal("UnitFilesChanged", "", ""),
    signal("Reloading", "b", "active"),
];

/// Signals of org.freedesktop.systemd1.Scope.
pub(super) const SCOPE_SIGNALS: &[Signal] = &[signal("RequestStop", "", "")];

/// org.freedesktop.DBus, as far as it is here.
pub(super) const BUS: &[Method] = &[
    look("Hello", "", "", "s", "unique_name"),
    look("AddMatch", "s", "rule", "", ""),
    look("RemoveMatch", "s", "rule", "", ""),
    look("GetNameOwner", "s", "name", "s", "unique_name"),
    look("NameHasOwner", "s", "name", "b", "has_owner"),
    look("ListNames", "", "", "as", "names"),
    look("ListActivatableNames", "", "", "as", "names"),
    look("GetId", "", "", "s", "id"),
    look("GetConnectionUnixUser", "s", "name", "u", "uid"),
    look("GetConnectionUnixProcessID", "s", "name", "u", "pid"),
    look(
        "GetConnectionCredentials",
        "s",
        "name",
        "a{sv}",
        "credentials",
    ),
    look("StartServiceByName", "su", "name,flags", "u", "result"),
    change("RequestName", "su", "name,flags", "u", "result"),
    change("ReleaseName", "s", "name", "u", "result"),
];

/// Its signals.
pub(super) const BUS_SIGNALS: &[Signal] = &[
    signal("NameAcquired", "s", "name"),
    signal("NameLost", "s", "name"),
];

/// org.freedesktop.DBus.Monitoring.
pub(super) const MONITORING: &[Method] = &[change("BecomeMonitor", "asu", "rules,flags", "", "")];
