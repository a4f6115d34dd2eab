# Nodes of a cluster seldom reach the network.
localrules:
    download_demo,
    download,
    simulate,


rule download_demo:
    """Download a public cohort; two rows with the same source share it."""
    output:
        ensure("<resources>/demo/{name}.h5mu", non_empty=True),
    log:
        "<logs>/download_demo/{name}.log",
    benchmark:
        "<benchmarks>/download_demo/{name}.tsv"
    retries: 3
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("demo"),
        runtime=runtime("demo"),
    params:
        **cch("demo", "{name}"),
    shell:
        "{params.command} --log {log:q}"


rule download:
    """Download a study of cBioPortal or a cohort of UCSC Xena, all modalities that rows of the sheet want of it."""
    output:
        directory("<resources>/{kind}/{name}"),
    log:
        "<logs>/download/{kind}/{name}.log",
    benchmark:
        "<benchmarks>/download/{kind}/{name}.tsv"
    wildcard_constraints:
        kind="cbioportal|xena",
    # What has arrived is kept beside the output, so that a retry goes on.
    retries: 3
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("download"),
        runtime=runtime("download"),
    params:
        **cch("download", "{kind}:{name}", modalities=wanted_of_download),
    shell:
        "{params.command} --log {log:q}"


rule simulate:
    """Write a simulated cohort with known mutual information."""
    output:
        "<resources>/simulated/{name}.h5mu",
    log:
        "<logs>/simulate/{name}.log",
    benchmark:
        "<benchmarks>/simulate/{name}.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("simulate"),
        runtime=runtime("simulate"),
    params:
        **cch("simulate", "{name}"),
    shell:
        "{params.command} --log {log:q}"


rule ingest:
    """Read one row of the sheet into a checked cohort, and draw its outer splits and inner folds."""
    input:
        source_files,
    output:
        cohort="<results>/{cohort}/{target}/intermediate/cohort.h5mu",
        splits="<results>/{cohort}/{target}/intermediate/splits.npz",
        audit=report(
            "<results>/{cohort}/{target}/audit.json",
            caption="../report/audit.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "audit"},
        ),
    log:
        "<logs>/{cohort}/{target}/ingest.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/ingest.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("ingest"),
        runtime=runtime("ingest"),
    params:
        **cch("ingest", row=row_of, seed=CONFIG.seed),
    shell:
        "{params.command} --log {log:q}"
