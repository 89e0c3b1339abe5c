//! Which form of `/metrics` a client wants.

/// The forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Prometheus's text format 0.0.4.
    Prometheus,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl Form {
    /// Its Content-Type.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// What an Accept header asks for (RFC 9110, section 12.5.1): OpenMetrics only if it is named
    /// and wanted no less than plain text.
    pub(super) fn accepted(header: &str) -> Form {
        let mut open = 0.0;
        let mut plain = 0.0_f64;
        for range in header.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            let mut version = None;
            let mut quality = 1.0_f64;
            for parameter in parts {
                match parameter.split_once('=') {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value.trim_matches('"')),
                    _ => {}
                }
            }
            match name {
                // Version 0.0.1 is a draft with other rules.
                "application/openmetrics-text" if version.is_none_or(|v| v == "1.0.0") => {
                    open = quality.max(open);
                }
                "text/plain" | "text/*" | "*/*" => plain = quality.max(plain),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain {
            Form::OpenMetrics
        } else {
            Form::Prometheus
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_send() {
        use Form::{OpenMetrics, Prometheus};
        for (header, form) in [
            ("", Prometheus),
            ("*/*", Prometheus),
            ("text/html,*/*;q=0.8", Prometheus),
            ("application/openmetrics-text", OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,\
                 text/plain;version=0.0.4;q=0.4,*/*;q=0.3",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text; version=1.0.0; q=0.1, text/plain;q=0.9",
                Prometheus,
            ),
            ("application/openmetrics-text;version=0.0.1", Prometheus),
            ("application/openmetrics-text;q=0", Prometheus),
        ] {
            assert_eq!(Form::accepted(header), form, "{header}");
        }
    }
}
