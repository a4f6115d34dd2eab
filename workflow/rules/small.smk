# A small cohort: where starting the jobs of its steps would take as long as they do.
ruleorder: analyse > information
ruleorder: analyse > verdict
ruleorder: analyse > evaluate


rule analyse:
    """Take all steps of a small cohort after `ingest` in one process."""
    input:
        rules.ingest.output.cohort,
        rules.ingest.output.splits,
    output:
        table("information"),
        table("verdicts"),
        table("teachers"),
        table("gains"),
        table("references", "baselines"),
        table("scorecard"),
        "<results>/{cohort}/{target}/evidence.tsv",
        "<results>/{cohort}/{target}/intermediate/summary.tsv",
        "<results>/{cohort}/{target}/intermediate/performance.tsv",
        "<results>/{cohort}/{target}/intermediate/comparisons.tsv",
        "<results>/{cohort}/{target}/intermediate/criteria.tsv",
        "<results>/{cohort}/{target}/intermediate/members.tsv",
        "<results>/{cohort}/{target}/intermediate/advised.tsv",
        "<results>/{cohort}/{target}/intermediate/predictions.tsv",
        directory("<results>/{cohort}/{target}/students"),
    log:
        "<logs>/{cohort}/{target}/analyse.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/analyse.tsv"
    wildcard_constraints:
        cohort=SMALL,
    conda:
        ENVIRONMENT
    threads: cores_of_a_cohort
    resources:
        gpu=0,
        device="auto",
        mem_mb=memory("analyse"),
        runtime=runtime("analyse"),
    params:
        **cch(
            "analyse",
            folder=lambda wildcards: folder_of(wildcards.cohort, wildcards.target),
            logs=lambda wildcards: f"{LOGS}/{wildcards.cohort}/{wildcards.target}",
            views=of_every_view("{view}"),
            students=of_every_student("{student}"),
            seed=CONFIG.seed,
        ),
    shell:
        "{params.command} --threads {threads} --device {resources.device} --log {log:q}"
