#!/usr/bin/env bash
# Programs of other makers that the tests use: SIPp and baresip to call, ffmpeg to look at audio,
# flite as another voice.
# Installs what is missing with apt, where it may; where it may not, the tests that need it say so.
set -euo pipefail

missing=()
command -v sipp >/dev/null || missing+=(sip-tester)
command -v baresip >/dev/null || missing+=(baresip-core)
command -v ffmpeg >/dev/null || missing+=(ffmpeg)
command -v flite >/dev/null || missing+=(flite)
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "· not installed, and only root may: ${missing[*]}. Their tests will be skipped." >&2
        exit 0
    fi
    as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null; then
    echo "· no apt here; install SIPp, baresip, ffmpeg and flite by hand to run their tests" >&2
    exit 0
fi
echo "· installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
