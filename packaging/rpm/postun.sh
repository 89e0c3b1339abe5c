if [ "$1" -eq 0 ]; then
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload || true
    fi
    rm -rf /run/datadog/process-manager /run/datadog/process-manager.sock /var/lib/dd-procmgr
fi
