rule encode:
    """Train the encoders of one view, all splits together."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
    output:
        "<results>/{cohort}/{target}/intermediate/encodings/{view}.npz",
    log:
        "<logs>/{cohort}/{target}/encode/{view}.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/encode/{view}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        # A profile gives GPUs: gpu=1, and device="cuda" where a job without one should fail.
        gpu=0,
        device="auto",
        mem_mb=memory("encode"),
        runtime=runtime("encode"),
    params:
        **cch("encode", view="{view}", seed=CONFIG.seed),
    shell:
        "{params.command} --threads {threads} --device {resources.device} --log {log:q}"


rule distil:
    """Train the students of one modality, of every teacher or of the chosen one, and the controls, all splits together."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
        encodings=of_every_view("<results>/{cohort}/{target}/intermediate/encodings/{view}.npz"),
        teachers="<results>/{cohort}/{target}/teachers.tsv" if CHOSEN_ONLY else [],
    output:
        "<results>/{cohort}/{target}/intermediate/students/{student}.npz",
    log:
        "<logs>/{cohort}/{target}/distil/{student}.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/distil/{student}.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        gpu=0,
        device="auto",
        mem_mb=memory("distil"),
        runtime=runtime("distil"),
    params:
        **cch("distil", student="{student}", seed=CONFIG.seed),
    shell:
        "{params.command} --threads {threads} --device {resources.device} --log {log:q}"


rule baselines:
    """Fit the baselines of every modality in the same splits."""
    input:
        cohort=rules.ingest.output.cohort,
        splits=rules.ingest.output.splits,
    output:
        "<results>/{cohort}/{target}/intermediate/baselines.npz",
    log:
        "<logs>/{cohort}/{target}/baselines.log",
    benchmark:
        "<benchmarks>/{cohort}/{target}/baselines.tsv"
    conda:
        ENVIRONMENT
    threads: 4
    resources:
        mem_mb=memory("baselines"),
        runtime=runtime("baselines"),
    params:
        **cch("baselines", seed=CONFIG.seed),
    shell:
        "{params.command} --threads {threads} --log {log:q}"
