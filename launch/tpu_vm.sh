#!/usr/bin/env bash
# NOT RUN ON A REAL TPU VM: its syntax, its dry run and the commands it starts are tested, on CPU.
#
# One sweep on a Cloud TPU VM of one or more hosts, in a bucket that all hosts mount:
#   NAME=sweep ZONE=us-east5-b TYPE=v5litepod-16 BUCKET=my-bucket launch/tpu_vm.sh create
#   … launch/tpu_vm.sh install
#   … launch/tpu_vm.sh run --config=configs/quickstart.py      (again after a preemption: it resumes)
#   … launch/tpu_vm.sh fetch results/sweep
#   … launch/tpu_vm.sh delete
# DRY_RUN=1 prints the commands and runs none. SPOT=1 asks for a preemptible machine.
set -euo pipefail

: "${NAME:?the name of the TPU VM}" "${ZONE:?its zone}" "${TYPE:?its type, such as v5litepod-16}"
: "${BUCKET:?the bucket that holds the results folder}"
VERSION="${VERSION:-v2-alpha-tpuv5-lite}"
MOUNT=/mnt/identjax

do_it() {
  if [ -n "${DRY_RUN:-}" ]; then printf '%q ' "$@"; echo; else "$@"; fi
}

on_all() { # every host of the slice
  do_it gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="$1"
}

action="${1:?create, install, run, fetch or delete}"
shift
case "$action" in
create)
  do_it gcloud compute tpus tpu-vm create "$NAME" --zone="$ZONE" --accelerator-type="$TYPE" \
    --version="$VERSION" ${SPOT:+--spot}
  ;;
install)
  do_it gcloud compute tpus tpu-vm scp --recurse --worker=all --zone="$ZONE" . "$NAME:identjax"
  on_all "cd identjax && python3 -m venv .venv && .venv/bin/pip install -q -e '.[tpu]'"
  on_all "sudo apt-get install -qy gcsfuse && sudo mkdir -p $MOUNT && sudo gcsfuse -o allow_other $BUCKET $MOUNT"
  ;;
run)
  flags="$(printf '%q ' "$@")"
  on_all "cd identjax && .venv/bin/python -m launch.sweep --workdir=$MOUNT/$NAME --distributed $flags"
  ;;
fetch)
  do_it gcloud storage rsync --recursive "gs://$BUCKET/$NAME" "${1:?a local folder}"
  ;;
delete)
  do_it gcloud compute tpus tpu-vm delete "$NAME" --zone="$ZONE" --quiet
  ;;
*)
  echo "tpu_vm.sh: $action: create, install, run, fetch or delete" >&2
  exit 2
  ;;
esac
