# 0: no version stays.
if [ "$1" -eq 0 ]; then
    /usr/lib/dd-procmgr/maintain leaving
fi
