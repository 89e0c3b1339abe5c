//! Exit statuses of a child that could not be set up or executed (systemd.exec(5), "PROCESS
//! EXIT CODES"; checklist row M19), as far as there are steps that can fail with them.

#![allow(missing_docs)]

pub const CHDIR: u8 = 200;
pub const NICE: u8 = 201;
pub const FDS: u8 = 202;
pub const EXEC: u8 = 203;
pub const LIMITS: u8 = 205;
pub const OOM_ADJUST: u8 = 206;
pub const SIGNAL_MASK: u8 = 207;
pub const STDIN: u8 = 208;
pub const STDOUT: u8 = 209;
pub const IO_PRIORITY: u8 = 211;
pub const TIMER_SLACK: u8 = 212;
pub const SECURE_BITS: u8 = 213;
pub const SET_SCHEDULER: u8 = 214;
pub const CPU_AFFINITY: u8 = 215;
pub const GROUP: u8 = 216;
pub const USER: u8 = 217;
pub const CAPABILITIES: u8 = 218;
pub const CGROUP: u8 = 219;
pub const SETSID: u8 = 220;
pub const STDERR: u8 = 222;
pub const NETWORK: u8 = 225;
pub const NAMESPACE: u8 = 226;
pub const NO_NEW_PRIVILEGES: u8 = 227;
pub const SECCOMP: u8 = 228;
pub const SELINUX_CONTEXT: u8 = 229;
pub const PERSONALITY: u8 = 230;
pub const APPARMOR_PROFILE: u8 = 231;
pub const ADDRESS_FAMILIES: u8 = 232;
pub const SMACK_PROCESS_LABEL: u8 = 236;
pub const KEYRING: u8 = 237;
pub const NUMA_POLICY: u8 = 242;
pub const CREDENTIALS: u8 = 243;
pub const EXCEPTION: u8 = 255;
