# Collectors and plots: seconds each, not worth a place in a queue.
localrules:
    report_cohort,
    pool,


rule report_cohort:
    """The page of one cohort and target."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.split.output,
        encodings=of_every_modality("<results>/{cohort}/{target}/intermediate/encodings/{modality}.npz"),
        # What the command finds in the folder of results.
        audit=rules.ingest.output.audit,
        information=rules.information.output.whole,
        verdicts=rules.verdict.output.verdicts,
        teachers=rules.verdict.output.teachers,
        evaluation=rules.evaluate.output,
    output:
        report(
            "<results>/{cohort}/{target}/report.html",
            caption="../report/cohort.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "report"},
        ),
    log:
        "<logs>/{cohort}/{target}/report.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/report.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("report"),
        runtime=runtime("report"),
    params:
        folder=subpath(input.audit, parent=True),
        configuration=configuration,
        settings=settings("report"),
        code=code_of("report"),
    shell:
        "cch report --folder {params.folder:q} --output {output:q}"
        " --settings {params.settings:q} --configuration {params.configuration:q} --log {log:q}"


rule pool:
    """All cohorts and targets together."""
    input:
        reports=of_every_cohort("report.html"),
        # What the command finds in the folders of the reports.
        pairs=of_every_cohort("intermediate/pairs.parquet"),
        verdicts=of_every_cohort("verdicts.tsv"),
    output:
        scorecard=report(
            "<results>/scorecard.tsv",
            caption="../report/pooled_scorecard.rst",
            category="All cohorts",
            labels={"table": "scorecard"},
        ),
        page=report(
            "<results>/report.html",
            caption="../report/pooled.rst",
            category="All cohorts",
            labels={"table": "report"},
        ),
        # That the two are of all cohorts.
        pooled=touch("<results>/.pooled"),
    log:
        "<logs>/pool.log",
    benchmark:
        "<benchmarks>/pool.tsv"
    conda:
        "../../envs/base.yaml"
    resources:
        mem_mb=memory("pool"),
        runtime=runtime("pool"),
    params:
        folders=folders,
        settings=settings("report"),
        code=code_of("pool"),
    shell:
        "cch pool --folders {params.folders:q} --scorecard {output.scorecard:q} --output {output.page:q}"
        " --settings {params.settings:q} --log {log:q}"
