//! A name on a message bus, as services of Type=dbus take it.

use crate::options::Options;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

/// Takes the name on the system bus, as DBUS_SYSTEM_BUS_ADDRESS has it, and keeps it until the
/// end, or until the file appears that makes it give the name up.
///
/// # Errors
/// There is no bus, or somebody else has the name.
pub(crate) fn take_name(options: &Options) -> io::Result<()> {
    let Some(name) = options.bus_name.clone() else {
        return Ok(());
    };
    let release_on = options.bus_release_on.clone();
    let (sender, taken) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let holding = async {
            let connection = zbus::connection::Builder::system().build().await;
            let connection = match connection {
                Ok(connection) => connection,
                Err(error) => return drop(sender.send(Err(error.to_string()))),
            };
            let result = connection.request_name(name.as_str()).await;
            let _ = sender.send(result.map_err(|error| error.to_string()));
            while !release_on.as_ref().is_some_and(|file| file.exists()) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let _ = connection.release_name(name.as_str()).await;
            std::future::pending::<()>().await;
        };
        if let Ok(runtime) = runtime {
            runtime.block_on(holding);
        }
    });
    match taken.recv() {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(io::Error::other(format!("no name on the bus: {reason}"))),
        Err(_) => Err(io::Error::other("no name on the bus: no thread for it")),
    }
}
