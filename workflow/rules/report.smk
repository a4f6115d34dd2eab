# Pages: seconds each, not worth a place in a queue.
localrules:
    report_cohort,
    pool,


rule report_cohort:
    """The page of one cohort and target, from the tables of its folder."""
    input:
        rules.ingest.output,
        # Made by `analyse`, or by a rule for each of them.
        [str(file) for file in rules.analyse.output],
        validation=if_validated("<results>/{cohort}/{target}/intermediate/validation.json"),
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
        ENVIRONMENT
    resources:
        mem_mb=memory("report"),
        runtime=runtime("report"),
    params:
        **cch(
            "report",
            folder=lambda wildcards: folder_of(wildcards.cohort, wildcards.target),
            configuration=configuration,
        ),
    shell:
        "{params.command} --log {log:q}"


rule pool:
    """All cohorts and targets together, from the folders of their reports."""
    input:
        of_every_cohort("report.html"),
        of_every_cohort("intermediate/criteria.tsv"),
        of_every_cohort("intermediate/advised.tsv"),
        of_every_cohort("verdicts.tsv"),
        of_every_cohort("teachers.tsv"),
    output:
        touch("<results>/.pooled"),
        multiqc="<results>/verdicts_mqc.tsv",
        scorecard=report(
            "<results>/scorecard.tsv",
            caption="../report/pooled_scorecard.rst",
            category="All cohorts",
            labels={"table": "scorecard"},
        ),
        output=report(
            "<results>/report.html",
            caption="../report/pooled.rst",
            category="All cohorts",
            labels={"table": "report"},
        ),
    log:
        "<logs>/pool.log",
    benchmark:
        "<benchmarks>/pool.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("pool"),
        runtime=runtime("pool"),
    params:
        **cch("pool", folders=lambda wildcards: [folder_of(*row) for row in ROWS]),
    shell:
        "{params.command} --log {log:q}"
