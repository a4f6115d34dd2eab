"""The deployable student: made from a cohort, written, read, used on a table."""

from cch_omics.student.bundle import read_student, write_student
from cch_omics.student.make import write_students
from cch_omics.student.predict import predict_file

__all__ = ["predict_file", "read_student", "write_student", "write_students"]
