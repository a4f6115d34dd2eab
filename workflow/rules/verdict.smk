rule information:
    """Estimate the mutual information of every ordered pair and with the label, in every split."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
        encodings=of_every_view("<results>/{cohort}/{target}/intermediate/encodings/{view}.npz"),
    output:
        estimates="<results>/{cohort}/{target}/intermediate/information.tsv",
        table=table("information"),
    log:
        "<logs>/{cohort}/{target}/information.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/information.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        gpu=0,
        device="auto",
        mem_mb=memory("information"),
        runtime=runtime("information"),
    params:
        **cch("information", seed=CONFIG.seed),
    shell:
        "{params.command} --threads {threads} --device {resources.device} --log {log:q}"


rule verdict:
    """Decide for every ordered pair, and choose a teacher for every student."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
        encodings=of_every_view("<results>/{cohort}/{target}/intermediate/encodings/{view}.npz"),
        estimates=rules.information.output.estimates,
        students=(
            of_every_student("<results>/{cohort}/{target}/intermediate/students/{student}.npz")
            if RULE_NEEDS_STUDENTS
            else []
        ),
    output:
        evidence="<results>/{cohort}/{target}/evidence.tsv",
        verdicts=table("verdicts"),
        teachers=table("teachers"),
    log:
        "<logs>/{cohort}/{target}/verdict.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/verdict.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("verdict"),
        runtime=runtime("verdict"),
    params:
        **cch("verdict"),
    shell:
        "{params.command} --log {log:q}"


rule validation:
    """Judge the students, and baselines fitted to the full cohort, on the patients that the sheet's `validate` names."""
    input:
        other_files,
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
        students=of_every_student("<results>/{cohort}/{target}/intermediate/students/{student}.npz"),
        teachers=rules.verdict.output.teachers,
    output:
        scores=report(
            "<results>/{cohort}/{target}/validation.tsv",
            caption="../report/validation.rst",
            category="{cohort}",
            subcategory="{target}",
            labels={"table": "validation"},
        ),
        about="<results>/{cohort}/{target}/intermediate/validation.json",
        features="<results>/{cohort}/{target}/intermediate/validation_features.tsv",
        predictions="<results>/{cohort}/{target}/intermediate/validation_predictions.tsv",
    log:
        "<logs>/{cohort}/{target}/validation.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/validation.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("validation"),
        runtime=runtime("validation"),
    params:
        **cch("validation", row=other_row, seed=CONFIG.seed),
    shell:
        "{params.command} --log {log:q}"


rule evaluate:
    """Score every student on the test patients of every outer split, and the criteria by the gains; save the students."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
        encodings=of_every_view("<results>/{cohort}/{target}/intermediate/encodings/{view}.npz"),
        students=of_every_student("<results>/{cohort}/{target}/intermediate/students/{student}.npz"),
        baselines=rules.baselines.output,
        evidence=rules.verdict.output.evidence,
        verdicts=rules.verdict.output.verdicts,
        teachers=rules.verdict.output.teachers,
        validation=if_validated("<results>/{cohort}/{target}/intermediate/validation.json"),
    output:
        gains=table("gains"),
        references=table("references", "baselines"),
        scorecard=table("scorecard"),
        summary="<results>/{cohort}/{target}/intermediate/summary.tsv",
        performance="<results>/{cohort}/{target}/intermediate/performance.tsv",
        comparisons="<results>/{cohort}/{target}/intermediate/comparisons.tsv",
        members="<results>/{cohort}/{target}/intermediate/members.tsv",
        criteria="<results>/{cohort}/{target}/intermediate/criteria.tsv",
        advised="<results>/{cohort}/{target}/intermediate/advised.tsv",
        predictions="<results>/{cohort}/{target}/intermediate/predictions.tsv",
        # The modalities differ between cohorts, so they cannot be listed here.
        bundles=directory("<results>/{cohort}/{target}/students"),
    log:
        "<logs>/{cohort}/{target}/evaluate.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/evaluate.tsv"
    conda:
        ENVIRONMENT
    resources:
        mem_mb=memory("evaluate"),
        runtime=runtime("evaluate"),
    params:
        **cch("evaluate"),
    shell:
        "{params.command} --log {log:q}"
