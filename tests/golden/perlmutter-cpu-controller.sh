#!/bin/bash
#SBATCH --job-name=hpcml-x7k2q1
#SBATCH --output=/scratch/ab12/runs/20261120-101500-x7k2q1/logs/controller-%j.log
#SBATCH --no-requeue
#SBATCH --qos=shared
#SBATCH --account=ab12
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=4096M
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR1@60
#SBATCH --constraint=cpu
set -euo pipefail
umask 077
cd /scratch/ab12/runs/20261120-101500-x7k2q1
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
exec /scratch/ab12/venv/bin/python -m hpc_ml controller /scratch/ab12/runs/20261120-101500-x7k2q1
