"""A school as most programs are: a number for each row, plain columns, foreign keys."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import BigInteger, ForeignKey, Numeric, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tests.corpus.tables import METADATA


class Base(DeclarativeBase):
    metadata = METADATA
    id: Mapped[int] = mapped_column(primary_key=True)


class School(Base):
    __tablename__ = "sc_school"
    name: Mapped[str] = mapped_column(String(60))
    city: Mapped[str | None] = mapped_column(String(60))
    is_open: Mapped[bool] = mapped_column(default=True)


class Teacher(Base):
    __tablename__ = "sc_teacher"
    name: Mapped[str] = mapped_column(String(60))
    email: Mapped[str] = mapped_column(String(60))
    school_id: Mapped[int] = mapped_column(ForeignKey("sc_school.id"))


class Student(Base):
    __tablename__ = "sc_student"
    name: Mapped[str] = mapped_column(String(60))
    born: Mapped[date | None]
    school_id: Mapped[int | None] = mapped_column(ForeignKey("sc_school.id"))
    teacher_id: Mapped[int | None] = mapped_column(ForeignKey("sc_teacher.id"))


class Course(Base):
    __tablename__ = "sc_course"
    title: Mapped[str] = mapped_column(String(60))
    credits: Mapped[int] = mapped_column(default=3)
    teacher_id: Mapped[int | None] = mapped_column(ForeignKey("sc_teacher.id"))
    description: Mapped[str | None] = mapped_column(Text)


class Lesson(Base):
    __tablename__ = "sc_lesson"
    title: Mapped[str] = mapped_column(String(60))
    position: Mapped[int] = mapped_column(default=0)
    course_id: Mapped[int] = mapped_column(ForeignKey("sc_course.id"))
    course: Mapped[Course] = relationship()


class Quiz(Base):
    __tablename__ = "sc_quiz"
    title: Mapped[str] = mapped_column(String(60))
    lesson_id: Mapped[int] = mapped_column(ForeignKey("sc_lesson.id"))
    passing: Mapped[float] = mapped_column(default=0.5)


class Question(Base):
    __tablename__ = "sc_question"
    text: Mapped[str] = mapped_column(Text)
    quiz_id: Mapped[int] = mapped_column(ForeignKey("sc_quiz.id"))
    points: Mapped[int] = mapped_column(default=1)


class Answer(Base):
    __tablename__ = "sc_answer"
    text: Mapped[str] = mapped_column(Text)
    question_id: Mapped[int] = mapped_column(ForeignKey("sc_question.id"))
    is_right: Mapped[bool] = mapped_column(default=False)


class Attempt(Base):
    __tablename__ = "sc_attempt"
    student_id: Mapped[int] = mapped_column(ForeignKey("sc_student.id"))
    quiz_id: Mapped[int] = mapped_column(ForeignKey("sc_quiz.id"))
    score: Mapped[float | None]
    at: Mapped[datetime | None]


class Enrolment(Base):
    __tablename__ = "sc_enrolment"
    student_id: Mapped[int] = mapped_column(ForeignKey("sc_student.id"))
    course_id: Mapped[int] = mapped_column(ForeignKey("sc_course.id"))
    course: Mapped[Course] = relationship()
    grade: Mapped[str | None] = mapped_column(String(60))


class Attendance(Base):
    __tablename__ = "sc_attendance"
    student_id: Mapped[int] = mapped_column(ForeignKey("sc_student.id"))
    lesson_id: Mapped[int] = mapped_column(ForeignKey("sc_lesson.id"))
    day: Mapped[date]
    was_there: Mapped[bool] = mapped_column(default=True)


class Room(Base):
    __tablename__ = "sc_room"
    name: Mapped[str] = mapped_column(String(60))
    seats: Mapped[int]
    school_id: Mapped[int] = mapped_column(ForeignKey("sc_school.id"))


class Timetable(Base):
    __tablename__ = "sc_timetable"
    room_id: Mapped[int] = mapped_column(ForeignKey("sc_room.id"))
    lesson_id: Mapped[int] = mapped_column(ForeignKey("sc_lesson.id"))
    begins: Mapped[datetime]


class Invoice(Base):
    __tablename__ = "sc_invoice"
    number: Mapped[str] = mapped_column(String(60))
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    student_id: Mapped[int] = mapped_column(ForeignKey("sc_student.id"))
    paid: Mapped[bool] = mapped_column(default=False)


class Receipt(Base):
    __tablename__ = "sc_receipt"
    invoice_id: Mapped[int] = mapped_column(ForeignKey("sc_invoice.id"))
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    day: Mapped[date]


class Notice(Base):
    __tablename__ = "sc_notice"
    title: Mapped[str] = mapped_column(String(60))
    body: Mapped[str] = mapped_column(Text)
    published: Mapped[datetime | None]


class Comment(Base):
    __tablename__ = "sc_comment"
    body: Mapped[str] = mapped_column(Text)
    notice_id: Mapped[int] = mapped_column(ForeignKey("sc_notice.id"))
    notice: Mapped[Notice] = relationship()
    author: Mapped[str] = mapped_column(String(60))


class Attachment(Base):
    __tablename__ = "sc_attachment"
    name: Mapped[str] = mapped_column(String(60))
    size: Mapped[int] = mapped_column(BigInteger)
    notice_id: Mapped[int | None] = mapped_column(ForeignKey("sc_notice.id"))


class Group(Base):
    __tablename__ = "sc_group"
    name: Mapped[str] = mapped_column(String(60))
    size: Mapped[int] = mapped_column(default=0)


class Membership(Base):
    __tablename__ = "sc_membership"
    group_id: Mapped[int] = mapped_column(ForeignKey("sc_group.id"))
    student_id: Mapped[int] = mapped_column(ForeignKey("sc_student.id"))
    role: Mapped[str | None] = mapped_column(String(60))


class Event(Base):
    __tablename__ = "sc_event"
    name: Mapped[str] = mapped_column(String(60))
    place: Mapped[str | None] = mapped_column(String(60))
    begins: Mapped[datetime]
    ends: Mapped[datetime | None]


class Ticket(Base):
    __tablename__ = "sc_ticket"
    event_id: Mapped[int] = mapped_column(ForeignKey("sc_event.id"))
    price: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    holder: Mapped[str | None] = mapped_column(String(60))


class Sponsor(Base):
    __tablename__ = "sc_sponsor"
    name: Mapped[str] = mapped_column(String(60))
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    event_id: Mapped[int | None] = mapped_column(ForeignKey("sc_event.id"))


class Book(Base):
    __tablename__ = "sc_book"
    title: Mapped[str] = mapped_column(String(60))
    isbn: Mapped[str | None] = mapped_column(String(60))
    copies: Mapped[int] = mapped_column(default=1)


class Loan(Base):
    __tablename__ = "sc_loan"
    book_id: Mapped[int] = mapped_column(ForeignKey("sc_book.id"))
    student_id: Mapped[int] = mapped_column(ForeignKey("sc_student.id"))
    due: Mapped[date]
    returned: Mapped[date | None]


class Fine(Base):
    __tablename__ = "sc_fine"
    loan_id: Mapped[int] = mapped_column(ForeignKey("sc_loan.id"))
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    is_paid: Mapped[bool] = mapped_column(default=False)


class Bus(Base):
    __tablename__ = "sc_bus"
    plate: Mapped[str] = mapped_column(String(60))
    seats: Mapped[int]


class Stop(Base):
    __tablename__ = "sc_stop"
    name: Mapped[str] = mapped_column(String(60))
    bus_id: Mapped[int] = mapped_column(ForeignKey("sc_bus.id"))
    bus: Mapped[Bus] = relationship()
    minute: Mapped[int] = mapped_column(default=0)


class Survey(Base):
    __tablename__ = "sc_survey"
    title: Mapped[str] = mapped_column(String(60))
    is_open: Mapped[bool] = mapped_column(default=True)


class Reply(Base):
    __tablename__ = "sc_reply"
    survey_id: Mapped[int] = mapped_column(ForeignKey("sc_survey.id"))
    survey: Mapped[Survey] = relationship()
    text: Mapped[str | None] = mapped_column(Text)
    stars: Mapped[int | None]


class Locker(Base):
    __tablename__ = "sc_locker"
    number: Mapped[int]
    student_id: Mapped[int | None] = mapped_column(ForeignKey("sc_student.id"))


class Device(Base):
    __tablename__ = "sc_device"
    serial: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(60))
    student_id: Mapped[int | None] = mapped_column(ForeignKey("sc_student.id"))


class Setting(Base):
    __tablename__ = "sc_setting"
    name: Mapped[str] = mapped_column(String(60))
    value: Mapped[str | None] = mapped_column(String(60))


class Newsletter(Base):
    __tablename__ = "sc_newsletter"
    subject: Mapped[str] = mapped_column(String(60))
    html: Mapped[str] = mapped_column(Text)
    sent: Mapped[datetime | None]
