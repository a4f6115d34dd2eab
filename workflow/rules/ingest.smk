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
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("demo"),
        runtime=runtime("demo"),
    params:
        code=code_of("demo"),
    shell:
        "cch demo {wildcards.name} --output {output:q} --log {log:q}"


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
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("download"),
        runtime=runtime("download"),
    params:
        modalities=wanted_of_download,
        settings=settings("download"),
        code=code_of("download"),
    shell:
        "cch download {wildcards.kind}:{wildcards.name} --modalities {params.modalities:q} --output {output:q}"
        " --settings {params.settings:q} --log {log:q}"


rule simulate:
    """Write a simulated cohort with known mutual information."""
    output:
        "<resources>/simulated/{name}.h5mu",
    log:
        "<logs>/simulate/{name}.log",
    benchmark:
        "<benchmarks>/simulate/{name}.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("simulate"),
        runtime=runtime("simulate"),
    params:
        code=code_of("simulate"),
    shell:
        "cch simulate {wildcards.name} --output {output:q} --log {log:q}"


rule ingest:
    """Read one row of the sheet into a checked cohort."""
    input:
        source=source_files,
    output:
        cohort="<results>/{cohort}/{target}/intermediate/cohort.h5mu",
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
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("ingest"),
        runtime=runtime("ingest"),
    params:
        row=row_options,
        settings=settings("ingest"),
        splits=settings("splits"),
        code=code_of("ingest"),
    shell:
        "cch ingest {params.row} --output {output.cohort:q} --audit {output.audit:q}"
        " --settings {params.settings:q} --splits-settings {params.splits:q} --log {log:q}"


rule split:
    """Draw the outer splits and their inner folds."""
    input:
        cohort=rules.ingest.output.cohort,
    output:
        "<results>/{cohort}/{target}/intermediate/splits.npz",
    log:
        "<logs>/{cohort}/{target}/split.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/split.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("split"),
        runtime=runtime("split"),
    params:
        settings=settings("splits"),
        seed=CONFIG.seed,
        code=code_of("split"),
    shell:
        "cch split --cohort {input.cohort:q} --output {output:q}"
        " --settings {params.settings:q} --seed {params.seed} --log {log:q}"
