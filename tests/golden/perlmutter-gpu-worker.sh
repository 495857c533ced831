#!/bin/bash
#SBATCH --job-name=hpcml-x7k2q1
#SBATCH --output=/scratch/ab12/runs/20261120-101500-x7k2q1/logs/worker-%j.log
#SBATCH --no-requeue
#SBATCH --qos=shared
#SBATCH --account=ab12
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=16384M
#SBATCH --time=01:00:00
#SBATCH --gpus-per-node=1
#SBATCH --constraint=gpu
set -euo pipefail
umask 077
cd /scratch/ab12/runs/20261120-101500-x7k2q1
export OMP_NUM_THREADS=32 MKL_NUM_THREADS=32 OPENBLAS_NUM_THREADS=32 NUMEXPR_NUM_THREADS=32
export HPCML_ENDS_AT=$(($(date +%s) - SECONDS + 3600))
export DASK_DISTRIBUTED__SCHEDULER__HTTP__ROUTES='[]' \
    DASK_DISTRIBUTED__WORKER__HTTP__ROUTES='[]' \
    DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL=2s \
    DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL=1s \
    DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL=500ms \
    DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED=False \
    MALLOC_TRIM_THRESHOLD_=33554432 \
    MALLOC_MMAP_THRESHOLD_=4194304
scratch="${TMPDIR:-/tmp}/hpc-ml-$UID"
mkdir -p "$scratch"
# Dask imports from it: it must be this user's own.
if [[ -L $scratch || ! -O $scratch ]]; then
  echo "hpc-ml: $scratch belongs to another user; set TMPDIR to a folder of your own"
  exit 73
fi
chmod 700 "$scratch"
if [[ -z ${CUDA_VISIBLE_DEVICES:-} || $CUDA_VISIBLE_DEVICES == NoDevFiles ]]; then
  echo "hpc-ml: this node gave the job no GPU: CUDA_VISIBLE_DEVICES is empty"
  exit 69
fi
echo "hpc-ml: GPU $CUDA_VISIBLE_DEVICES"
exec /scratch/ab12/venv/bin/python -m dask_cuda.cli --no-dashboard --dashboard-address 127.0.0.1:0 \
    --scheduler-file /scratch/ab12/runs/20261120-101500-x7k2q1/scheduler.json \
    --tls-ca-file /scratch/ab12/runs/20261120-101500-x7k2q1/tls/ca.pem \
    --tls-cert /scratch/ab12/runs/20261120-101500-x7k2q1/tls/cert.pem \
    --tls-key /scratch/ab12/runs/20261120-101500-x7k2q1/tls/key.pem \
    --name "${SLURM_JOB_ID}" \
    --nthreads 1 \
    --death-timeout 120 \
    --local-directory "$scratch" \
    --memory-limit 16384MiB \
    --interface hsn0
