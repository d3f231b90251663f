#!/bin/sh
# Starts the agent in a container. Stratos gives the launch-params as environment variables: before `run` they are
# written where the agent looks for them, and the MB_* ones as its configuration. What is mounted instead is left alone:
# without CLUSTER_ID, or without a broker, in the environment that file is not touched.
set -eu
umask 077

agent=$(dirname "$0")/../cartridge-agent
folder=${CARTRIDGE_AGENT_CONF_DIR:-/etc/cartridge-agent}

# The form that `set -o posix; set` gave: NAME='value' joined by commas. The form cannot hold a comma or a line break.
# Read from awk's own environment, for arguments are seen by everybody.
write_launch_params() {
  mkdir -p "$folder/payload"
  rm -f "$folder/payload/launch-params"
  awk 'BEGIN {
    for (name in ENVIRON) {
      value = ENVIRON[name]
      if (name !~ /^[A-Za-z_][A-Za-z0-9_]*$/) continue
      if (value ~ /[,\r\n]/) {
        if (name != "MB_URLS") left_out = left_out " " name
        continue
      }
      gsub(/\047/, "\047\\\\\047\047", value)
      printf "%s%s=\047%s\047", separator, name, value
      separator = ","
    }
    printf "\n"
    if (left_out != "") print "not in launch-params, because of a comma or line break:" left_out > "/dev/stderr"
  }' > "$folder/payload/launch-params"
}

# The names are those of the Stratos base image. The password gets a file of its own, which takes it as it is.
write_broker_conf() {
  mkdir -p "$folder/conf.d"
  rm -f "$folder/conf.d/50-environment.conf" "$folder/conf.d/mb.password"
  {
    printf '[agent]\n'
    printf 'mb.urls = %s\n' "${MB_URLS:-}"
    printf 'mb.ip = %s\n' "${MB_IP:-}"
    printf 'mb.port = %s\n' "${MB_PORT:-}"
    printf 'mb.username = %s\n' "${MB_USERNAME:-}"
    printf 'listen.address = %s\n' "${LISTEN_ADDR:-}"
    if [ -n "${MB_PASSWORD:-}" ]; then
      printf '%s' "$MB_PASSWORD" > "$folder/conf.d/mb.password"
      printf 'mb.password.file = %s\n' conf.d/mb.password
    fi
  } > "$folder/conf.d/50-environment.conf"
}

if [ "${1:-}" = run ]; then
  if [ -n "${CLUSTER_ID:-}" ]; then write_launch_params; fi
  if [ -n "${MB_URLS:-}${MB_IP:-}" ]; then write_broker_conf; fi
fi

# In place of this shell: signals and the exit code are the agent's.
umask 022
exec "$agent" "$@"
