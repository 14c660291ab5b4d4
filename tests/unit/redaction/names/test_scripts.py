"""Names in other scripts and with accents are found, and plain sentences in them are left alone."""

import pytest

from redaction.names.recognizer import Names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Здравствуйте, меня зовут Людмила Воробьёва, подскажите по заказу 8812.", "Людмила Воробьёва"),
        ("Вітаю, мене звати Тарас Шевчук.", "Тарас Шевчук"),
        ("Με λένε Ελένη Δημητρίου και έχω μια ερώτηση.", "Ελένη Δημητρίου"),
        ("السيدة فاطمة الزهراء اتصلت اليوم.", "فاطمة الزهراء"),
        ("שמי דוד לוי ואני צריך עזרה.", "דוד לוי"),
        ("श्री अमित वर्मा ने शिकायत की है।", "अमित वर्मा"),
        ("我叫李建国，我的订单还没到。", "李建国"),
        ("鈴木様、お世話になっております。", "鈴木"),
        ("제 이름은 이서연입니다.", "이서연"),
        ("Yesterday Đặng Thị Hồng called.", "Đặng Thị Hồng"),
        ("My name is Jose\u0301 Mari\u0301a Nun\u0303ez.", "Jose\u0301 Mari\u0301a Nun\u0303ez"),
    ],
)
def test_a_person_is_found_in_any_script(names: Names, text: str, name: str) -> None:
    assert [text[e.start : e.end] for e in names.find(text, "balanced") if e.kind == "PERSON"] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "Пожалуйста, проверьте счёт и отправьте ответ до пятницы.",
        "Πότε θα παραδοθεί η παραγγελία μου;",
        "أين طلبي؟ لم يصل بعد.",
        "यह ऑर्डर कब पहुँचेगा?",
        "会议改到星期三下午，请准时参加。",
        "この商品の在庫はありますか。",
        "주문한 상품이 아직 도착하지 않았어요.",
    ],
)
def test_plain_sentences_are_left_alone(names: Names, text: str) -> None:
    assert names.find(text, "balanced") == []
