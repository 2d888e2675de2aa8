"""NVTabular's own Workflow instead of our ETL. Modules named *_workflow run in nvtabular's environment, the others in ours."""
