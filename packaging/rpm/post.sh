# 1: the first version, 2: another one is there.
if [ "$1" -gt 1 ]; then
    /usr/lib/dd-procmgr/maintain upgraded
else
    /usr/lib/dd-procmgr/maintain made
fi
