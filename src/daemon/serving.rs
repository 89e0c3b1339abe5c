//! What is served and sent beside the control socket: HTTP and DogStatsD, both off unless
//! somebody asks for them; in kubernetes mode HTTP is on, for the kubelet does.

use super::settings::Settings;
use crate::host::{Handle, Mode};
use crate::http::{self, BindError, HttpAddress, Listening, Target};

/// Where HTTP is served in kubernetes mode.
const KUBERNETES: &str = "0.0.0.0:5550";

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Serving {
    http: Option<HttpAddress>,
    /// Nobody named the address: the daemon can do without it.
    by_default: bool,
    node_metrics: bool,
    statsd: Option<Target>,
}

impl Serving {
    /// What the settings ask for.
    ///
    /// # Errors
    /// An address is none.
    pub(super) fn resolve(settings: &Settings, mode: Mode) -> Result<Serving, String> {
        let named = settings.http.as_ref();
        let by_default = named.is_none();
        let default = match mode {
            Mode::Kubernetes => KUBERNETES,
            Mode::Host | Mode::Container => "off",
        };
        let http = named.map_or(default, String::as_str);
        let statsd = settings.dogstatsd.as_deref().unwrap_or("off");
        Ok(Serving {
            http: HttpAddress::parse(http).map_err(|error| format!("HTTP: {error}"))?,
            by_default,
            node_metrics: settings.node_metrics,
            statsd: Target::parse(statsd).map_err(|error| format!("DogStatsD: {error}"))?,
        })
    }

    /// Begins to listen. Two daemons in one pod share its ports: the second one goes without, if
    /// nobody named an address for it.
    ///
    /// # Errors
    /// The address that was named cannot be had.
    pub(super) fn bind(&self) -> Result<Option<Listening>, BindError> {
        let Some(address) = &self.http else {
            return Ok(None);
        };
        match address.bind() {
            Ok(listening) => Ok(Some(listening)),
            Err(error) if self.by_default => {
                tracing::warn!("{error}; name another address with --http");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Serves and sends in tasks of their own, until the loop is gone.
    pub(super) fn begin(&self, listening: Option<Listening>, handle: &Handle) {
        if let Some(listening) = listening {
            let served = http::serve(listening, handle.clone(), self.node_metrics);
            tokio::spawn(async move {
                if let Err(error) = served.await {
                    tracing::error!("HTTP is not served: {error}");
                }
            });
        }
        if let Some(target) = &self.statsd {
            tokio::spawn(http::run_statsd(target.clone(), handle.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::arguments::Arguments;
    use clap::Parser;

    fn serving(line: &[&str], settings: &Settings, mode: Mode) -> Result<Serving, String> {
        let arguments = Arguments::parse_from([&["dd-procmgrd"], line].concat());
        let settings = settings.clone().overridden(&arguments, &|_| None)?;
        Serving::resolve(&settings, mode)
    }

    #[test]
    fn what_is_served_where() {
        let file = Settings {
            http: Some(":80".to_owned()),
            dogstatsd: Some("agent".to_owned()),
            ..Settings::default()
        };
        let nothing = Settings::default();
        let http = |line: &[&str], settings, mode| serving(line, settings, mode).unwrap().http;
        let at = |text: &str| HttpAddress::parse(text).unwrap();
        assert_eq!(http(&[], &nothing, Mode::Host), None);
        assert_eq!(http(&[], &nothing, Mode::Kubernetes), at(KUBERNETES));
        assert_eq!(http(&[], &file, Mode::Host), at(":80"));
        assert_eq!(http(&["--http", "off"], &file, Mode::Kubernetes), None);
        let both = serving(&["--dogstatsd", "off"], &file, Mode::Host).unwrap();
        assert!(both.statsd.is_none() && !both.by_default);
        assert!(serving(&["--http", "x"], &nothing, Mode::Host).is_err());
    }
}
