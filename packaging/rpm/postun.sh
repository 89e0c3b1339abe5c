if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
    rm -rf /run/datadog/process-manager /run/datadog/process-manager.sock /var/lib/dd-procmgr
    # The package has files and no directories; others may have files there.
    find /usr/lib/dd-procmgr /usr/share/doc/dd-procmgr -depth -type d -empty -delete 2>/dev/null || true
fi
