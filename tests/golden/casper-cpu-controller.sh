#!/bin/bash
#PBS -N hpcml-x7k2q1
#PBS -S /bin/bash
#PBS -j oe
#PBS -o /scratch/ab12/runs/20261120-101500-x7k2q1/logs/
#PBS -r n
#PBS -q casper
#PBS -A ab12
#PBS -l select=1:ncpus=1:mem=4096mb
#PBS -l walltime=01:00:00
set -euo pipefail
umask 077
# PBS brings a job's output only when it has ended; the log is to be read while it runs.
exec >/scratch/ab12/runs/20261120-101500-x7k2q1/logs/controller-"${PBS_JOBID}".log 2>&1
cd /scratch/ab12/runs/20261120-101500-x7k2q1
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMEXPR_NUM_THREADS=1
exec /scratch/ab12/venv/bin/python -m hpc_ml controller /scratch/ab12/runs/20261120-101500-x7k2q1
